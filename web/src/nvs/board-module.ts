import url from './generated/board/fleetmint_web_bg.wasm?url';

/** The module's bytes, from where the page came from. */
export function module(): Promise<Response> {
  return fetch(url);
}
