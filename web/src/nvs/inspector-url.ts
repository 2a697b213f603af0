/** Where the module is. A file of its own, which a page without a server does not load. */
export { default } from './generated/inspector/fleetmint_web_bg.wasm?url';
