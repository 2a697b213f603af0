// Deutsch: *Provision*, was mit einem Board schiefgehen kann, und warum eine Partition nicht geschrieben wird.
import type { provision as english, refusals as englishRefusals } from './en-provision.ts';
import { plural } from './plural.ts';

const sectors = (n: number): string => plural(n, { one: '1 Sektor', other: `${n} Sektoren` });

export const provision: typeof english = {
  title: 'Provisionieren',
  titleFor: (name) => `${name} provisionieren`,
  titleNew: 'Neues Gerät für ein Board',
  stepsLabel: 'Schritte',
  steps: { connect: 'Verbinden', read: 'Lesen', confirm: 'Bestätigen', write: 'Schreiben', done: 'Fertig' },

  intro:
    'Das Board am Kabel bekommt die Identität und die Einstellungen dieses Geräts. Alles andere, was darauf gespeichert ist, bleibt und verlässt diesen Rechner nicht.',
  introNew:
    'Für das Board am Kabel wird ein neues Gerät angelegt, sobald das Board gelesen ist und dafür taugt. Alles andere, was darauf gespeichert ist, bleibt und verlässt diesen Rechner nicht.',
  model: 'Modell',
  modelMissing: 'Wählen Sie ein Modell.',
  noModel: 'Es gibt noch kein Modell. Ein Gerät gehört zu einem Modell: Legen Sie zuerst eines an.',
  name: 'Name des Geräts',
  nameMissing: 'Geben Sie einen Namen ein.',
  howTo: 'So wählen Sie den Port',
  howToPort:
    'Verbinden Sie das Board mit einem USB-Kabel, das Daten überträgt. Der Browser zeigt dann eine Liste von Ports: Ein Board heißt etwa „CP2102 USB to UART“, „USB Serial“ oder „USB JTAG/serial debug unit“. Wenn Sie unsicher sind, ziehen Sie das Board ab und sehen Sie, welcher Eintrag verschwindet.',
  howToEmpty:
    'Ist die Liste leer? Nehmen Sie ein anderes Kabel: Viele laden nur. Unter Windows brauchen CP210x- und CH340-Brücken den Treiber ihres Herstellers; unter Linux muss Ihr Benutzer in der Gruppe dialout oder uucp sein.',
  connect: 'Port wählen und verbinden',
  allPorts: 'Alle Ports zeigen',
  allPortsHint: 'Auch Ports, die nicht als die eines Boards bekannt sind.',
  bootHeld: 'Das Board ist schon im Download-Modus: nicht zurücksetzen',
  bootHeldHint: 'BOOT halten, RESET drücken und loslassen, BOOT loslassen.',
  noPort: 'Es wurde kein Port gewählt.',
  noPortHint:
    'Wenn der Browser gar keine Liste gezeigt hat, sperrt vielleicht eine Richtlinie seiner Verwaltung serielle Ports: Die Datei und die Befehle unten kommen ohne aus.',

  connecting: 'Verbindung zum Board …',
  reading: 'Die Partition wird gelesen …',
  saving: 'Eine Sicherung wird in diesem Browser gespeichert …',
  writing: (done, total) => `Schreiben: ${done} von ${total} Sektoren`,
  verifying: (done, total) => `Prüfen: ${done} von ${total} Sektoren`,
  resetting: 'Das Board wird zurückgesetzt …',
  keepConnected: 'Lassen Sie das Kabel stecken und diese Seite offen.',

  board: 'Board',
  chip: 'Chip',
  mac: 'MAC-Adresse',
  flashSize: 'Flash',
  security: 'Sicherheit',
  securityText: (encryption, secureBoot) =>
    `Flash-Verschlüsselung ${encryption ? 'an' : 'aus'}, Secure Boot ${secureBoot ? 'an' : 'aus'}`,
  partition: 'Partition',
  partitionText: (name, size, offset, encrypted) =>
    `${name}, ${size} Bytes ab Offset ${offset}, ${encrypted ? 'verschlüsselt' : 'nicht verschlüsselt'}`,
  partitions: 'Partitionen dieses Boards',
  partitionName: 'Name',
  partitionType: 'Typ',
  partitionOffset: 'Offset',
  partitionSize: 'Größe',
  fill: 'Füllstand',
  fillText: (used, total, available) => `${used} von ${total} Einträgen belegt, ${available} verfügbar`,
  fillAfter: (used) => `danach ${used}`,
  differences: 'Was sich ändert',
  changes: { added: 'neu', removed: 'entfernt', changed: 'geändert', 'type-changed': 'anderer Typ' },
  key: 'Schlüssel',
  change: 'Änderung',
  before: 'Vorher',
  after: 'Nachher',
  masked: (type, size) =>
    size === undefined ? type : `${type}, ${plural(size, { one: '1 Byte', other: `${size} Bytes` })}`,
  fingerprintHint: 'Kein Wert wird gezeigt: Die Zahl nach # sagt nur, ob zwei Werte dieser Tabelle gleich sind.',
  unreadable: 'nicht lesbar',
  others: (values, namespaces) =>
    `${plural(values, { one: '1 anderer Wert', other: `${values} andere Werte` })} in ${plural(namespaces, {
      one: '1 Namespace',
      other: `${namespaces} Namespaces`,
    })} ${values === 1 ? 'bleibt' : 'bleiben'} unverändert.`,
  toWrite: (changed, all) => `${changed} von ${sectors(all)} zu schreiben.`,
  nothingToWrite: 'Das Board hat diese Werte schon: Nichts wird geschrieben.',

  warnings: {
    repairs:
      'Die Partition ist an Stellen beschädigt, die der nächste Start der Firmware reparieren würde. Der reparierte Zustand wird geschrieben.',
    'no-keys-yet':
      'Die Schlüsselpartition ist leer, deshalb werden die Werte unverschlüsselt geschrieben. Wenn die Firmware NVS-Verschlüsselung hat, starten Sie sie vorher einmal: Sie legt dann ihre Schlüssel an und löscht unverschlüsselte Werte.',
    'no-longer-encrypted':
      'Die Partition scheint verschlüsselt, und die neue ist es nicht. Firmware mit NVS-Verschlüsselung löscht ihre Werte.',
    small: 'Die Partition ist so klein, dass die Firmware sie nur lesen kann.',
    'other-device': 'Die Partition enthält die Identität eines anderen Geräts, die ersetzt wird.',
  },
  otherDevice: (key) => `Die Partition enthält die Identität des Geräts ${key}, die ersetzt wird.`,
  overwritten: 'Die Partition wird durch eine neue ersetzt',
  overwrittenLost: (keys, namespaces, unreadable) =>
    `Ihr Inhalt geht verloren: ${plural(keys, { one: '1 Schlüssel', other: `${keys} Schlüssel` })} in ${plural(
      namespaces,
      { one: '1 Namespace', other: `${namespaces} Namespaces` },
    )}${unreadable > 0 ? ` und ${unreadable} nicht lesbare Einträge` : ''}.`,
  interrupted: 'Das Schreiben auf dieses Board wurde unterbrochen',
  interruptedText: (what, when, written, all) =>
    `${what}, ${when}: ${written} von ${sectors(all)} wurden geschrieben. Wenn Sie jetzt schreiben, wird das abgeschlossen.`,
  interruptedSince: (n) =>
    `Die Firmware ist seitdem gestartet und hat ${sectors(n)} geändert; diese werden, was sie vorher waren.`,
  interruptedOutdated: (what, when) =>
    `${what}, ${when}. Die Firmware ist seitdem gestartet, und jeder Schlüssel ist noch da: Was das Board jetzt enthält, bleibt.`,
  otherInterrupted: (names) =>
    `Das Schreiben auf eine andere Partition dieses Boards wurde unterbrochen (${names}). Wählen Sie diese Partition, um es abzuschließen oder rückgängig zu machen; bis dahin wird das Board nicht zurückgesetzt.`,
  movedHere: (mac) => `Für den Server ist dieses Gerät auf dem Board ${mac}. Es wechselt auf dieses Board.`,
  replacedHere: (key, name) => `Für den Server ist das Gerät ${key} (${name}) auf diesem Board. Es wird ersetzt.`,
  replaceBoard: 'Board ersetzen',
  replaceBoardHint: 'Vielleicht wurden nur zwei Boards auf dem Tisch vertauscht: Prüfen Sie, ob dies das richtige ist.',

  write: (n) => `${sectors(n)} schreiben`,
  report: 'Dem Server melden',
  undo: 'Unterbrochenes Schreiben rückgängig machen',
  undoHint: 'Die Partition wird, was sie vor diesem Schreiben war.',
  giveUp: 'Sicherung löschen',
  giveUpHint: 'Was die Partition vor diesem Schreiben enthielt, kann dann nicht wiederhergestellt werden.',
  giveUpConfirm: 'Ich brauche nicht, was die Partition enthielt',
  saveBackup: 'Partition als Datei sichern',
  backupWhere:
    'Was die Partition enthielt, liegt verschlüsselt in diesem Browser auf diesem Rechner. Wer die Daten dieser Website löscht, löscht es mit, und kein anderer Browser hat es. Um es auch anderswo zu haben, sichern Sie es als Datei.',
  backupHint: 'Die Datei enthält die Geheimnisse des Boards. Bewahren Sie sie sicher auf, oder verzichten Sie darauf.',
  cancel: 'Abbrechen',
  stopped: 'Abgebrochen: Nichts wurde geschrieben.',
  stoppedDevice: (key) => `Das neue Gerät ${key} bleibt; löschen Sie es, wenn es nicht gebraucht wird.`,

  change_what: 'Ändern, was gelesen wird',
  optionPartition: 'NVS-Partition',
  optionPartitionDefault: 'nvs, oder die einzige',
  optionTable: 'Partitionstabelle der Firmware (CSV oder binär)',
  optionTableHint: 'partitions.csv oder partition-table.bin aus dem Build der Firmware.',
  optionOffset: 'Offset der Partitionstabelle',
  optionOffsetInvalid: 'Ein Offset ist eine Zahl wie 0x8000.',
  optionKeys: 'Schlüssel der NVS-Partition',
  optionKeysHint:
    'Die Schlüsselpartition, oder nur die 64 Bytes der Schlüssel. Sie bleiben im Speicher dieses Browsers.',
  optionOverwrite: 'Die Partition durch eine neue ersetzen: Ihr Inhalt geht verloren',
  apply: 'Damit versuchen',

  occupied: 'Dieses Board trägt schon ein Gerät',
  occupiedChip: (key) => `Seine Partition enthält die Identität des Geräts ${key}.`,
  occupiedServer: (key, name) => `Für den Server ist das Gerät ${key} (${name}) darauf.`,
  occupiedAdvice:
    'Um es auf den neuesten Stand zu bringen, brechen Sie ab und provisionieren Sie jenes Gerät. Wenn Sie fortfahren, wird ein neues Gerät angelegt und übernimmt das Board.',
  goOn: 'Neues Gerät anlegen',

  done: 'Fertig',
  doneWritten: (key, n) => `${key} ist auf dem Board: ${sectors(n)} geschrieben und geprüft.`,
  doneUnchanged: (key) => `Das Board hat schon, was ${key} bekommt: Nichts wurde geschrieben.`,
  doneRestored: (n) => `Die Partition ist, was sie vor dem unterbrochenen Schreiben war: ${sectors(n)} geschrieben.`,
  doneStarts: 'Das Board wurde zurückgesetzt, und seine Firmware startet.',
  toDevice: 'Gerät zeigen',
  another: 'Ein weiteres Board provisionieren',
  notes: {
    'not-reset':
      'Das Board wurde nicht zurückgesetzt: Drücken Sie RESET, oder ziehen Sie es ab und stecken Sie es wieder an.',
    'not-reset-interrupted':
      'Das Board wurde nicht zurückgesetzt, weil ein anderes Schreiben auf es nicht abgeschlossen ist und seine Firmware eine halbe Partition finden würde.',
    'outcome-unreported':
      'Der Server kennt das Ergebnis nicht, weil er nicht geantwortet hat: Provisionieren Sie das Gerät später erneut.',
    'backup-left':
      'Die Sicherung in diesem Browser konnte nicht gelöscht werden: Beim nächsten Mal wird dieses Schreiben noch einmal abgeschlossen.',
  },

  failed: 'Das ist fehlgeschlagen',
  cutOff:
    'Das Schreiben wurde unterbrochen. Starten Sie die Firmware des Boards nicht: Halten Sie BOOT gedrückt, während Sie das Board wieder anschließen, und versuchen Sie es erneut. Das Schreiben wird aus der Sicherung in diesem Browser abgeschlossen oder rückgängig gemacht.',
  untouched:
    'Dieser Versuch hat nichts auf das Board geschrieben. Wurde ein früherer unterbrochen, ist seine Sicherung noch hier: Starten Sie die Firmware des Boards nicht, bevor dieses Schreiben abgeschlossen oder rückgängig gemacht ist.',
  retry: 'Erneut versuchen',
  newPort:
    'Wurde es nicht abgezogen? Ein Chip an seinem eigenen USB, etwa ein ESP32-S2, hat im Download-Modus einen neuen Port: Wählen Sie ihn noch einmal, ohne Reset.',
  retryBoot: 'Ohne Reset erneut versuchen (BOOT gehalten)',
  detail: 'Einzelheit',
  step: {
    connect: 'beim Verbinden',
    read: 'beim Lesen',
    write: 'beim Schreiben',
    verify: 'beim Prüfen',
    reset: 'beim Zurücksetzen',
    backup: 'beim Sichern',
    server: 'bei der Anfrage an den Server',
  },

  problems: {
    'port-busy': {
      title: 'Der Port lässt sich nicht öffnen',
      advice:
        'Ein anderes Programm hat ihn, oder Ihr Benutzer darf ihn nicht öffnen. Schließen Sie serielle Monitore, IDEs und andere Tabs, die das Board benutzen. Unter Linux nehmen Sie sich in die Gruppe dialout oder uucp auf und melden sich neu an.',
    },
    'port-blocked': {
      title: 'Der Browser erlaubt hier keine seriellen Ports',
      advice: 'Eine Richtlinie sperrt sie. Nehmen Sie stattdessen die Datei und die Befehle.',
    },
    'no-answer': {
      title: 'Kein Chip antwortet',
      advice:
        'Bringen Sie das Board in den Download-Modus: BOOT halten, RESET drücken und loslassen, BOOT loslassen. Versuchen Sie es dann ohne Reset erneut. Wenn das nicht hilft, ist es vielleicht ein anderer Port, ein anderes Board oder ein schlechtes Kabel.',
    },
    'application-runs': {
      title: 'Die Anwendung des Boards läuft, es ist nicht im Download-Modus',
      advice: 'BOOT halten, RESET drücken und loslassen, BOOT loslassen. Versuchen Sie es dann ohne Reset erneut.',
    },
    'unknown-chip': {
      title: 'Der Chip ist unbekannt',
      advice: 'Er ist kein ESP32, oder neuer als diese Version von Fleetmint.',
    },
    'not-connected': {
      title: 'Die Verbindung zum Chip ist fehlgeschlagen',
      advice: 'Versuchen Sie es erneut, mit einem anderen Kabel oder an einem anderen USB-Anschluss.',
    },
    'secure-download': {
      title: 'Der Chip ist im sicheren Download-Modus',
      advice:
        'Kein Werkzeug kann seinen Flash lesen, also könnte nichts darauf erhalten bleiben. Ein solches Board wird von seiner Firmware provisioniert, nicht über ein Kabel.',
    },
    'no-stub': {
      title: 'Der Chip führt das Flash-Programm nicht aus',
      advice:
        'Ohne es löscht der Chip mehr, als er soll, deshalb wird nichts geschrieben. Nehmen Sie esptool oder `fleetmint flash`.',
    },
    'no-flash': {
      title: 'Der Chip findet keinen Flash',
      advice: 'Das Board ist vielleicht beschädigt oder anders verdrahtet.',
    },
    unplugged: {
      title: 'Die Verbindung zum Board ist weg',
      advice:
        'Das Kabel wurde gezogen, oder das Board hat keinen Strom mehr. Verbinden Sie es wieder und versuchen Sie es erneut.',
    },
    timeout: {
      title: 'Der Chip antwortet nicht mehr',
      advice:
        'Er wurde zurückgesetzt, oder die Verbindung ist schlecht. Versuchen Sie es erneut, mit einem anderen Kabel oder an einem anderen USB-Anschluss.',
    },
    refused: {
      title: 'Der Chip hat einen Befehl abgelehnt',
      advice:
        'Versuchen Sie es erneut. Wenn es jedes Mal geschieht, ist sein Flash vielleicht schreibgeschützt oder verschlissen.',
    },
    'read-differs': {
      title: 'Was gelesen wurde, passt nicht zur Prüfsumme des Chips',
      advice: 'Die Leitung ist schlecht: Nehmen Sie ein anderes Kabel oder einen anderen USB-Anschluss.',
    },
    'write-differs': {
      title: 'Die Prüfsumme des Chips passt nicht zu dem, was geschrieben wurde',
      advice:
        'Der Flash ist vielleicht verschlissen oder schreibgeschützt. Versuchen Sie es einmal; nehmen Sie dann ein anderes Board.',
    },
    'out-of-flash': {
      title: 'Die Partition liegt nicht in diesem Flash',
      advice: 'Die Partitionstabelle ist für einen größeren Flash: Spielen Sie die Firmware für dieses Board auf.',
    },
    'other-tab': {
      title: 'Ein anderer Tab arbeitet an diesem Board',
      advice: 'Beenden oder schließen Sie ihn, und versuchen Sie es erneut.',
    },
    'backup-failed': {
      title: 'Die Sicherung kann in diesem Browser nicht gespeichert werden',
      advice:
        'Ohne sie wird nichts geschrieben. Ein privates Fenster, eine volle Platte oder gesperrte Websitedaten können der Grund sein.',
    },
    'backup-unreadable': {
      title: 'Das Schreiben auf dieses Board wurde unterbrochen, und seine Sicherung lässt sich nicht öffnen',
      advice:
        'Sie entstand bei der Anmeldung an einem anderen Server, oder sie ist beschädigt. Schließen Sie das Schreiben von dort aus ab, oder löschen Sie die Sicherung und geben Sie auf, was die Partition enthielt.',
    },
    'partition-moved': {
      title: 'Ein Schreiben wurde unterbrochen, und die Partition liegt jetzt anderswo',
      advice:
        'Das Board hat seitdem eine andere Partitionstabelle. Löschen Sie die Sicherung, um aufzugeben, was die Partition enthielt.',
    },
    'partition-erased': {
      title: 'Die Partition wurde gelöscht, nachdem ein Schreiben unterbrochen worden war',
      advice:
        'Machen Sie jenes Schreiben rückgängig, um ihren Inhalt zurückzuholen, oder löschen Sie die Sicherung, um ihn aufzugeben.',
    },
    cancelled: { title: 'Abgebrochen', advice: 'Nichts wurde geschrieben.' },
  },

  noSerial: {
    insecure: 'Für ein Board braucht diese Seite eine sichere Verbindung',
    insecureText:
      'Browser geben einer Seite nur über HTTPS oder auf demselben Rechner Zugriff auf serielle Ports. Diese Seite wurde über einfaches HTTP geöffnet.',
    insecureLocal: 'Läuft Fleetmint auf diesem Rechner? Dann öffnen Sie es hier:',
    insecureElse: 'Öffnen Sie die Seite sonst über HTTPS.',
    missing: 'Dieser Browser erreicht keine seriellen Ports',
    missingText:
      'Er hat kein Web Serial. Öffnen Sie diese Seite in einem Browser, der es hat, oder nehmen Sie die Datei und die Befehle.',
    blocked: 'Serielle Ports sind gesperrt',
    blockedText:
      'Dieser Browser hat Web Serial, aber eine Richtlinie erlaubt es nicht: von seiner Verwaltung oder von einem Proxy auf dem Weg (Permissions-Policy).',
    instead: 'Ohne: eine Datei oder die Befehlszeile',
    keepAll: 'Erhält alles andere auf dem Board: auf dem Rechner, an dem das Board hängt',
    replaceAll:
      'Mit Espressifs esptool: Die ganze Partition wird ersetzt, und was andere Software darin gespeichert hat, geht verloren',
    replaceFirst: 'Speichern Sie zuerst die Datei, in der Größe der Partition des Boards:',
    size: 'Größe der Partition',
    offset: 'Offset der Partition',
    invalid: 'Ein Vielfaches von 0x1000, etwa 0x6000.',
    save: 'Image speichern',
    saved: (name) => `Gespeichert als ${name}. Es enthält das Secret des Geräts: Löschen Sie es nach Gebrauch.`,
    copyCommand: 'Befehl kopieren',
    createFirst: 'Legen Sie zuerst das Gerät an, dann erscheinen die Datei und die Befehle.',
    create: 'Gerät anlegen',
  },
};

export const refusals: typeof englishRefusals = {
  'several-tables': {
    title: 'Die Datei hat mehrere Partitionstabellen',
    advice: 'Sagen Sie, an welchem Offset die richtige liegt.',
  },
  'unproven-table': {
    title: 'Es ist nicht sicher, dass das eine Partitionstabelle ist',
    advice: 'Sagen Sie, an welchem Offset die Tabelle liegt.',
  },
  'not-from-start': {
    title: 'Der Abzug beginnt nicht am Anfang des Flash',
    advice: 'Lesen Sie den ganzen Flash, ab Offset 0.',
  },
  shifted: { title: 'Der Abzug ist verschoben', advice: 'Lesen Sie den ganzen Flash, ab Offset 0.' },
  'flash-erased': {
    title: 'Auf diesem Board ist keine Firmware',
    advice:
      'Der Flash ist leer, wo die Partitionstabelle wäre. Spielen Sie zuerst die Firmware auf, oder sagen Sie, wo ihre Tabelle liegt.',
  },
  'table-encrypted': {
    title: 'Flash-Verschlüsselung ist an: Die Partitionstabelle ist nicht lesbar',
    advice:
      'Geben Sie die Partitionstabelle aus dem Build der Firmware als Datei an, und die Schlüssel, wenn die NVS-Partition verschlüsselt ist.',
  },
  'no-table': {
    title: 'Dort, wo sie sein sollte, ist keine Partitionstabelle',
    advice: 'Sagen Sie, an welchem Offset die Tabelle der Firmware liegt, oder geben Sie sie als Datei an.',
  },
  table: {
    title: 'Die Partitionstabelle ist unbrauchbar',
    advice: 'Spielen Sie die Tabelle der Firmware neu auf, oder geben Sie sie als Datei an.',
  },
  'partition-not-found': {
    title: 'Diese Partition gibt es nicht',
    advice: 'Wählen Sie eine der Partitionen des Boards.',
  },
  'no-nvs': {
    title: 'Das Board hat keine NVS-Partition',
    advice: 'Nehmen Sie eine Firmware, deren Partitionstabelle eine hat.',
  },
  'several-nvs': {
    title: 'Das Board hat mehrere NVS-Partitionen',
    advice: 'Wählen Sie die, aus der die Firmware ihre Einstellungen liest.',
  },
  'not-nvs-type': { title: 'Diese Partition ist nicht vom Typ NVS', advice: 'Wählen Sie eine andere Partition.' },
  'encrypted-flag': {
    title: 'Die Partition hat das Flag „encrypted“',
    advice: 'Die Firmware kann NVS darin nicht benutzen. Entfernen Sie das Flag in der Partitionstabelle der Firmware.',
  },
  overlap: {
    title: 'Partitionen überlappen sich',
    advice: 'Ein Schreiben würde anderes ändern. Berichtigen Sie die Partitionstabelle der Firmware.',
  },
  'before-table': {
    title: 'Die Partition liegt vor der Partitionstabelle',
    advice: 'Dort ist der Bootloader. Berichtigen Sie die Partitionstabelle der Firmware.',
  },
  misaligned: {
    title: 'Die Partition beginnt oder endet nicht an einem Sektor',
    advice: 'Berichtigen Sie die Partitionstabelle der Firmware: Vielfache von 0x1000.',
  },
  'read-only': {
    title: 'Die Partition hat das Flag „readonly“',
    advice: 'Die Firmware schreibt nie darauf. Entfernen Sie das Flag, oder wählen Sie eine andere Partition.',
  },
  'beyond-flash': {
    title: 'Die Partition passt nicht in diesen Flash',
    advice: 'Die Tabelle ist für einen größeren Flash: Spielen Sie die Firmware für dieses Board auf.',
  },
  size: {
    title: 'Die Partition hat eine unbrauchbare Größe',
    advice: 'Berichtigen Sie die Partitionstabelle der Firmware.',
  },
  'cut-short': { title: 'Die Partition wurde nicht ganz gelesen', advice: 'Lesen Sie sie noch einmal.' },
  'one-page': {
    title: 'Eine Partition von einer Seite lässt sich nicht ändern',
    advice:
      'Die Firmware braucht eine Seite, die frei bleibt: Vergrößern Sie die Partition auf mindestens 0x3000 Bytes.',
  },
  'not-nvs': {
    title: 'Die Partition enthält etwas anderes als NVS',
    advice: 'Wählen Sie eine andere Partition. Wenn ihr Inhalt nicht gebraucht wird, ersetzen Sie sie.',
  },
  'would-be-erased': {
    title: 'Die Firmware würde die Partition bei ihrem nächsten Start löschen',
    advice:
      'Starten Sie die Firmware, die sie geschrieben hat, einmal, und versuchen Sie es erneut. Wenn ihr Inhalt nicht gebraucht wird, ersetzen Sie sie.',
  },
  'cannot-open': {
    title: 'Die Firmware kann die Partition nicht öffnen',
    advice: 'Wenn ihr Inhalt nicht gebraucht wird, ersetzen Sie sie.',
  },
  'unknown-type': {
    title: 'Neuere Firmware hat Werte gespeichert, die diese Version nicht kennt',
    advice: 'Eine Änderung könnte sie verlieren. Nehmen Sie eine spätere Version von Fleetmint.',
  },
  'no-room': {
    title: 'Die Partition hat keinen Platz',
    advice:
      'Ihre anderen Werte füllen sie. Löschen Sie Schlüssel, die nicht gebraucht werden (im NVS-Inspektor), oder vergrößern Sie die Partition.',
  },
  'too-many-changes': { title: 'Das sind zu viele Änderungen', advice: 'Machen Sie sie in mehreren Schritten.' },
  'key-file': {
    title: 'Die Datei enthält keine brauchbaren Schlüssel',
    advice: 'Wählen Sie die Schlüsselpartition, oder eine Datei mit ihren ersten 64 Bytes.',
  },
  'key-missing': {
    title: 'Die Partition ist verschlüsselt, und ihre Schlüssel sind nicht auf dem Chip',
    advice:
      'Geben Sie ihre Schlüssel als Datei an. Wenn sie verloren sind, ersetzen Sie die Partition: Ihr Inhalt geht verloren.',
  },
  'wrong-key': {
    title: 'Das sind nicht die Schlüssel dieser Partition',
    advice:
      'Geben Sie die Schlüssel dieses Boards an. Wenn sie verloren sind, ersetzen Sie die Partition: Ihr Inhalt geht verloren.',
  },
  'not-encrypted': { title: 'Die Partition ist nicht verschlüsselt', advice: 'Lassen Sie die Schlüssel weg.' },
  'keys-do-not-fit': {
    title: 'Die Partition ist mit anderen Schlüsseln verschlüsselt als denen auf dem Chip',
    advice:
      'Geben Sie die richtigen Schlüssel als Datei an. Wenn sie verloren sind, ersetzen Sie die Partition: Ihr Inhalt geht verloren.',
  },
  'keys-unreadable': {
    title: 'Die Schlüssel auf dem Chip sind nicht lesbar',
    advice: 'Flash-Verschlüsselung verdeckt sie. Geben Sie die Schlüssel als Datei an.',
  },
  image: {
    title: 'Das ist kein Image eines Geräts',
    advice: 'Laden Sie die Seite neu; wenn es bleibt, hat der Server eine andere Version.',
  },
  change: { title: 'Eine der Änderungen schlägt fehl', advice: 'Berichtigen Sie sie.' },
  'no-such-entry': { title: 'Diesen Eintrag gibt es nicht', advice: 'Lesen Sie die Partition noch einmal.' },
  internal: {
    title: 'Ein Fehler dieses Programms',
    advice: 'Laden Sie die Seite neu, und melden Sie ihn, wenn er wiederkommt.',
  },
};
