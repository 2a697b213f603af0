import { api, read } from '../../api/client.ts';
import type { components } from '../../api/generated.ts';

export type DeviceModel = components['schemas']['DeviceModel'];

/** The server gives 500 at once; a choice of more than 2,000 would help nobody. */
const CALLS = 4;

/** The models to choose from, by name. */
export async function listModels(signal: AbortSignal): Promise<DeviceModel[]> {
  const models: DeviceModel[] = [];
  let cursor: string | null = null;
  for (let call = 0; call < CALLS; call += 1) {
    const query: { limit: number; sort: 'name'; cursor?: string } = { limit: 500, sort: 'name' };
    if (cursor !== null) query.cursor = cursor;
    const page: components['schemas']['Page_DeviceModel'] = await read(
      api.GET('/api/device-models', { params: { query }, signal }),
    );
    models.push(...page.items);
    cursor = page.next_cursor ?? null;
    if (cursor === null) break;
  }
  return models;
}
