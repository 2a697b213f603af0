/** The module that provisioning needs. */
import init, * as wasm from './generated/board/fleetmint_web.js';
import { boardCalls, type Nvs } from './calls.ts';

export async function start(source: BufferSource | undefined): Promise<Nvs> {
  await init({ module_or_path: source ?? (await import('./board-module.ts')).module() });
  return boardCalls(wasm);
}
