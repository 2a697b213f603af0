import { mount } from 'svelte';
import App from './App.svelte';
import { loadLanguage, preferredLanguage } from './texts/index.ts';
import './theme.css';

const target = document.getElementById('page');
if (target === null) throw new Error('index.html has no element #page');

await loadLanguage(preferredLanguage());
mount(App, { target });
