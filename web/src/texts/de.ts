import type { Texts } from './en.ts';
import { plural } from './plural.ts';

export const de: Texts = {
  dir: 'ltr',

  shell: {
    product: 'Fleetmint',
    skip: 'Zum Inhalt springen',
    navigation: 'Seiten',
    start: 'Start',
    devices: 'Geräte',
    models: 'Modelle',
    boards: 'Boards',
    settings: 'Einstellungen',
    audit: 'Protokoll',
    inspector: 'NVS-Inspektor',
    menu: 'Menü',
    language: 'Sprache',
    signedInAs: (name) => `Angemeldet als ${name}`,
    signOut: 'Abmelden',
    signIn: 'Anmelden',
    loading: 'Wird geladen …',
    notFoundTitle: 'Nicht gefunden',
    notFound: 'Unter dieser Adresse gibt es keine Ansicht.',
    toStart: 'Zum Start',
    retry: 'Erneut versuchen',
    close: 'Schließen',
    cancel: 'Abbrechen',
    save: 'Speichern',
    create: 'Anlegen',
    edit: 'Bearbeiten',
    delete: 'Löschen',
    copy: 'Kopieren',
    copied: 'Kopiert',
    optional: 'optional',
    next: 'Weiter',
    previous: 'Zurück',
    pages: 'Seiten der Liste',
    page: (n) => `Seite ${n}`,
    yes: 'Ja',
    no: 'Nein',
    search: 'Suchen',
    never: 'nie',
    typeToConfirm: (name) => `Zum Bestätigen „${name}“ eingeben`,
    updateFailed:
      'Dieser Teil der Seite konnte nicht geladen werden. Vielleicht wurde der Server aktualisiert: Laden Sie die Seite neu.',
    reload: 'Seite neu laden',
  },

  overrides: {
    title: 'Eigene Werte',
    lead: 'Ein Gerät nimmt jeden Wert von sich selbst, sonst von seinem Modell, sonst aus den Einstellungen.',
    names: {
      base_url: 'Dienst',
      token_url: 'Token-Endpunkt',
      mqtt_url: 'MQTT-Broker',
      wifi_ssid: 'WLAN',
      wifi_password: 'WLAN-Passwort',
    },
    choices: { inherit: 'Geerbt', own: 'Eigener Wert', empty: 'Weggelassen', keep: 'Eigener Wert, unverändert' },
    placeholders: {
      base_url: 'https://api.example.com',
      token_url: 'https://id.example.com/oauth2/token',
      mqtt_url: 'mqtts://mqtt.example.com:8883',
      wifi_ssid: 'Werk 4',
      wifi_password: '8 bis 63 Zeichen',
    },
  },

  signIn: {
    title: 'Anmelden',
    token: 'Administrator-Token',
    where: 'Es steht dort, wo der Server läuft, in der Datei fleetmint-data/admin-token und beginnt mit fma_.',
    wrong: 'Das ist nicht das Administrator-Token.',
    again: 'Erneut anmelden',
    expired: 'Ihre Sitzung ist abgelaufen. Nach dem Anmelden geht es dort weiter, wo Sie waren: Nichts geht verloren.',
  },

  start: {
    title: 'Erste Schritte',
  },

  devices: {
    title: 'Geräte',
    count: (n) => plural(n, { one: '1 Gerät', other: `${n} Geräte` }),
    titleOne: 'Gerät',
  },

  models: {
    title: 'Modelle',
    titleOne: 'Modell',
  },

  boards: {
    title: 'Boards',
    titleOne: 'Board',
  },

  settings: {
    title: 'Einstellungen',
  },

  audit: {
    title: 'Protokoll',
  },

  provision: {
    title: 'Provisionieren',
  },

  inspector: {
    title: 'NVS-Inspektor',
  },

  refusals: {},

  problems: {
    kinds: {},
    unreachable: 'Der Server ist nicht erreichbar',
    unreachableAdvice: 'Prüfen Sie, ob er läuft und ob dieser Rechner ein Netz hat, und versuchen Sie es dann erneut.',
    unexpected: (status) => `Eine unerwartete Antwort (HTTP ${status})`,
    unexpectedAdvice: 'Sie stammt nicht von Fleetmint, vielleicht von einem Proxy auf dem Weg.',
    failed: 'Das ist fehlgeschlagen',
    waitSeconds: (n) =>
      plural(n, { one: 'In 1 Sekunde erneut versuchen.', other: `In ${n} Sekunden erneut versuchen.` }),
    requestId: (id) => `Im Protokoll des Servers: ${id}`,
  },
};
