// What a screen reader is told, and what is shown for some seconds without taking the focus.
export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
}

let polite = $state.raw('');
let toasts = $state.raw<readonly Toast[]>([]);
let count = 0;

export const announcements = {
  get polite(): string {
    return polite;
  },
  get toasts(): readonly Toast[] {
    return toasts;
  },
};

/** How long a result stays: after that it is read by nobody, and it may not be true any more. */
const SHOWN_FOR = 6000;
let forgetting: ReturnType<typeof setTimeout> | undefined;

/** Tells a screen reader something that others see, or will see, elsewhere. '' takes back what is not true any more. */
export function announce(text: string): void {
  // The same text twice is only read twice if it changes.
  polite = polite === text && text !== '' ? `${text}\u00a0` : text;
  clearTimeout(forgetting);
  forgetting = setTimeout(() => (polite = ''), SHOWN_FOR);
}

/** Shows a short result in the corner, and tells it to a screen reader. */
export function toast(text: string, options: { bad?: boolean } = {}): void {
  const id = (count += 1);
  toasts = [...toasts, { id, text, bad: options.bad ?? false }];
  announce(text);
  setTimeout(() => dismiss(id), SHOWN_FOR);
}

export function dismiss(id: number): void {
  toasts = toasts.filter((one) => one.id !== id);
}
