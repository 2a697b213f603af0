// A slot in words: what a screen reader says, and what stands below the picture.
import type { MapPage } from '../../nvs/index.ts';
import { t } from '../../texts/index.ts';
import { visible } from '../../nvs/visible.ts';
import type { Cell } from './picture.ts';

/** `Slot 3: app/interval, u16`. */
export function describeSlot(page: MapPage, cell: Cell, names: ReadonlyMap<number, string>): string {
  return t.inspector.slotLabel(page.number, cell.slot, describeCell(cell, names));
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
  if (item?.fault !== undefined) parts.push(item.fault);
  return parts.filter(Boolean).join(', ');
}
