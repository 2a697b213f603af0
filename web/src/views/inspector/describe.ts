// A slot in words: what a screen reader says, and what stands below the picture.
import type { MapPage, NvsError } from '../../nvs/index.ts';
import { language, t } from '../../texts/index.ts';
import { visible } from '../../nvs/visible.ts';
import type { Cell } from './picture.ts';

/** `Slot 3: app/interval, u16`. */
export function describeSlot(page: MapPage, cell: Cell, names: ReadonlyMap<number, string>): string {
  return t.inspector.slotLabel(page.number, cell.slot, describeCell(cell, names));
}

/** An error where there is no room for the library's own words, which are English: with the firmware's code, if it has one. */
export function brief({ kind, message }: NvsError): string {
  if (language.chosen === 'en') return message;
  const [code] = /ESP_ERR_\w+/.exec(message) ?? [];
  return [t.refusals[kind].title, code].filter(Boolean).join(': ');
}

export function describeCell(cell: Cell, names: ReadonlyMap<number, string>): string {
  const parts = [cell.look === 'used' && cell.item !== undefined ? '' : t.inspector.looks[cell.look]];
  const { item } = cell;
  if (cell.look === 'free') return parts.join('');
  if (item === undefined) {
    if (cell.look === 'used') parts.push(t.inspector.unreadableSlot);
  } else if (item.ns_index === 0) {
    parts.push(t.inspector.namespaceSlot(visible(item.key)));
  } else {
    const namespace = names.get(item.ns_index);
    const name = namespace === undefined ? t.inspector.noNamespace(item.ns_index) : visible(namespace);
    parts.push(`${name}/${visible(item.key)}`, item.type);
    if (item.chunk !== undefined) parts.push(t.inspector.chunk(item.chunk));
    if (item.span > 1) parts.push(t.inspector.slotOf(cell.slot - cell.first + 1, item.span));
  }
  if (item?.fault !== undefined) parts.push(t.inspector.faults[item.fault] ?? item.fault);
  return parts.filter(Boolean).join(', ');
}
