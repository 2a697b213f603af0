import { flushSync, mount, unmount } from 'svelte';
import { expect, it } from 'vitest';
import Progress from './Progress.svelte';

/** A bar that is given these shares one after the other: what it shows of each. */
function shown(values: (number | undefined)[], max: number): (number | undefined)[] {
  const props = $state({ label: 'Writing', value: values[0], max });
  const bar = mount(Progress, { target: document.body, props });
  const seen = values.map((value) => {
    props.value = value;
    flushSync();
    const { value: share } = document.querySelector('progress')!.attributes.getNamedItem('value') ?? {};
    return share === undefined ? undefined : Number(share);
  });
  void unmount(bar);
  return seen;
}

it('never goes back, and ends where all is done', () => {
  expect(shown([0, 1, 3, 2, 4], 4)).toEqual([0, 0.25, 0.75, 0.75, 1]);
  expect(shown([3, 5, 4], 4)).toEqual([0.75, 1, 1]);
});

it('keeps what it has reached while nothing is known', () => {
  expect(shown([undefined, 2, undefined, 1], 4)).toEqual([undefined, 0.5, undefined, 0.5]);
});

it('is empty where there is nothing to do', () => {
  expect(shown([0, 0], 0)).toEqual([0, 0]);
});
