import { mount } from 'svelte';
import App from './App.svelte';
import { loadLanguage, preferredLanguage } from './texts/index.ts';
import './theme.css';

const target = document.getElementById('page');
if (target === null) throw new Error('index.html has no element #page');

try {
  await loadLanguage(preferredLanguage());
  mount(App, { target });
} catch (error) {
  // No text could be loaded, so this one is here.
  target.textContent = 'Fleetmint could not be loaded. Load the page again. · Fleetmint konnte nicht geladen werden.';
  throw error;
}
