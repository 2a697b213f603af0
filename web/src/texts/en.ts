// English: the source of the type of every language. One section for each area of the page.
// A text with a value in it is a function. A number that changes the sentence goes through `plural`.
import { plural } from './plural.ts';

export const en = {
  dir: 'ltr' as 'ltr' | 'rtl',

  shell: {
    product: 'Fleetmint',
    skip: 'Skip to the content',
    navigation: 'Pages',
    start: 'Start',
    devices: 'Devices',
    models: 'Models',
    boards: 'Boards',
    settings: 'Settings',
    audit: 'Audit',
    inspector: 'NVS inspector',
    menu: 'Menu',
    language: 'Language',
    signedInAs: (name: string) => `Signed in as ${name}`,
    signOut: 'Sign out',
    signIn: 'Sign in',
    loading: 'Loading…',
    notFoundTitle: 'Not found',
    notFound: 'The page has no view at this address.',
    toStart: 'Go to the start',
    retry: 'Try again',
    close: 'Close',
    cancel: 'Cancel',
    save: 'Save',
    create: 'Create',
    edit: 'Edit',
    delete: 'Delete',
    copy: 'Copy',
    copied: 'Copied',
    optional: 'optional',
    next: 'Next',
    previous: 'Previous',
    pages: 'Pages of the list',
    page: (n: number) => `Page ${n}`,
    yes: 'Yes',
    no: 'No',
    search: 'Search',
    never: 'never',
    typeToConfirm: (name: string) => `Type “${name}” to confirm`,
    updateFailed: 'This part of the page could not be loaded. The server may have been updated: load the page again.',
    reload: 'Load the page again',
  },

  /** The provisioning values that a model or a device can override. */
  overrides: {
    title: 'Own values',
    lead: 'A device takes each value from itself, else from its model, else from the settings.',
    names: {
      base_url: 'Service',
      token_url: 'Token endpoint',
      mqtt_url: 'MQTT broker',
      wifi_ssid: 'Wi-Fi network',
      wifi_password: 'Wi-Fi password',
    },
    choices: { inherit: 'Inherited', own: 'Own value', empty: 'Left out', keep: 'Own value, unchanged' },
    placeholders: {
      base_url: 'https://api.example.com',
      token_url: 'https://id.example.com/oauth2/token',
      mqtt_url: 'mqtts://mqtt.example.com:8883',
      wifi_ssid: 'Plant 4',
      wifi_password: '8 to 63 characters',
    },
  },

  signIn: {
    title: 'Sign in',
    token: 'Administrator token',
    where: 'It is in the file fleetmint-data/admin-token, where the server runs, and begins with fma_.',
    wrong: 'This is not the administrator token.',
    again: 'Sign in again',
    expired: 'Your session has expired. Sign in, and what you were doing continues: nothing is lost.',
  },

  start: {
    title: 'First steps',
  },

  devices: {
    title: 'Devices',
    count: (n: number) => plural(n, { one: '1 device', other: `${n} devices` }),
    titleOne: 'Device',
  },

  models: {
    title: 'Models',
    titleOne: 'Model',
  },

  boards: {
    title: 'Boards',
    titleOne: 'Board',
  },

  settings: {
    title: 'Settings',
  },

  audit: {
    title: 'Audit',
  },

  provision: {
    title: 'Provision',
  },

  inspector: {
    title: 'NVS inspector',
  },

  /** Why a board is not written: `plan`'s and `table`'s refusals by their kind. */
  refusals: {},

  problems: {
    /** By the kind of a problem; a kind that is not here is shown in the server's own words. */
    kinds: {} as Record<string, { readonly title: string; readonly advice?: string }>,
    unreachable: 'The server cannot be reached',
    unreachableAdvice: 'Check that it is running and that this computer has a network, then try again.',
    unexpected: (status: number) => `An unexpected answer (HTTP ${status})`,
    unexpectedAdvice: 'It is not from Fleetmint: a proxy on the way, perhaps.',
    failed: 'That failed',
    waitSeconds: (n: number) => plural(n, { one: 'Try again in 1 second.', other: `Try again in ${n} seconds.` }),
    requestId: (id: string) => `In the server’s log: ${id}`,
  },
};

export type Texts = typeof en;
