// The NVS inspector alone, as a folder of files: opened from a disk or from any host, without a server of Fleetmint.
// One classic script: from file:// a browser loads no module and fetches no WebAssembly.
import { mount } from 'svelte';
import { loadInspectorTexts, loadLanguage, preferredLanguage } from '../texts/index.ts';
import '../theme.css';
import Offline from './Offline.svelte';

async function start(): Promise<void> {
  const target = document.getElementById('page');
  if (target === null) throw new Error('index.html has no element #page');
  await loadLanguage(preferredLanguage());
  await loadInspectorTexts();
  mount(Offline, { target });
}

void start();
