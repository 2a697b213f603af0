// English: *Provision*, what can go wrong with a board, and why a partition is not written.
import type { BoardProblem } from '../flash/problem.ts';
import type { ErrorKind, Warning } from '../nvs/types.ts';
import { plural } from './plural.ts';

/** What happened, and what a person does about it. */
export interface Advice {
  readonly title: string;
  readonly advice: string;
}

const sectors = (n: number): string => plural(n, { one: '1 sector', other: `${n} sectors` });

export const provision = {
  title: 'Provision',
  titleFor: (name: string) => `Provision ${name}`,
  titleNew: 'New device for a board',
  stepsLabel: 'Steps',
  steps: { connect: 'Connect', read: 'Read', confirm: 'Confirm', write: 'Write', done: 'Done' },

  intro:
    'The board on the cable gets the identity and the settings of this device. Everything else that is stored on it stays, and never leaves this computer.',
  introNew:
    'A new device is created for the board on the cable, once the board was read and is fit for it. Everything else that is stored on the board stays, and never leaves this computer.',
  model: 'Model',
  modelMissing: 'Choose a model.',
  noModel: 'There is no model yet. A device belongs to a model: create one first.',
  name: 'Name of the device',
  nameMissing: 'Enter a name.',
  howTo: 'How to choose the port',
  howToPort:
    'Connect the board with a USB cable that carries data. The browser then shows a list of ports: a board is named like “CP2102 USB to UART”, “USB Serial” or “USB JTAG/serial debug unit”. If you are not sure, unplug the board and see which entry disappears.',
  howToEmpty:
    'Is the list empty? Try another cable: many only charge. On Windows, CP210x and CH340 bridges need their vendor’s driver; on Linux, your user must be in the group dialout or uucp.',
  connect: 'Choose port and connect',
  allPorts: 'Show all ports',
  allPortsHint: 'Also ports that are not known to be a board’s.',
  bootHeld: 'The board is in download mode already: do not reset it',
  bootHeldHint: 'Hold BOOT, press and release RESET, release BOOT.',
  noPort: 'No port was chosen.',
  noPortHint:
    'If the browser showed no list at all, a policy of this browser’s administrator may block serial ports: the file and the commands below work without it.',

  connecting: 'Connecting to the board…',
  reading: 'Reading the partition…',
  saving: 'Saving a backup in this browser…',
  writing: (done: number, total: number) => `Writing: ${done} of ${sectors(total)}`,
  verifying: (done: number, total: number) => `Verifying: ${done} of ${sectors(total)}`,
  resetting: 'Resetting the board…',
  keepConnected: 'Leave the cable connected and this page open.',

  board: 'Board',
  chip: 'Chip',
  mac: 'MAC address',
  flashSize: 'Flash',
  security: 'Security',
  securityText: (encryption: boolean, secureBoot: boolean) =>
    `flash encryption ${encryption ? 'on' : 'off'}, secure boot ${secureBoot ? 'on' : 'off'}`,
  partition: 'Partition',
  partitionText: (name: string, size: string, offset: string, encrypted: boolean) =>
    `${name}, ${size} bytes at offset ${offset}, ${encrypted ? 'encrypted' : 'not encrypted'}`,
  partitions: 'Partitions of this board',
  partitionName: 'Name',
  partitionType: 'Type',
  partitionOffset: 'Offset',
  partitionSize: 'Size',
  fill: 'Fill level',
  fillText: (used: number, total: number, available: number) =>
    `${used} of ${total} entries used, ${available} available`,
  fillAfter: (used: number) => `${used} after this`,
  differences: 'What changes',
  changes: { added: 'added', removed: 'removed', changed: 'changed', 'type-changed': 'another type' },
  key: 'Key',
  change: 'Change',
  before: 'Before',
  after: 'After',
  masked: (type: string, size: number | undefined) =>
    size === undefined ? type : `${type} of ${plural(size, { one: '1 byte', other: `${size} bytes` })}`,
  fingerprintHint: 'No value is shown: the number after # only tells whether two values of this table are equal.',
  unreadable: 'cannot be read',
  others: (values: number, namespaces: number) =>
    `${plural(values, { one: '1 other value', other: `${values} other values` })} in ${plural(namespaces, {
      one: '1 namespace',
      other: `${namespaces} namespaces`,
    })} stay as they are.`,
  toWrite: (changed: number, all: number) => `${changed} of ${sectors(all)} to write.`,
  nothingToWrite: 'The board already has these values: nothing is written.',

  warnings: {
    repairs:
      'The partition is damaged in places that the firmware’s next start would repair. The repaired state is written.',
    'no-keys-yet':
      'The key partition is erased, so the values are written unencrypted. If the firmware has NVS encryption, start it once before this: it creates its keys then, and erases unencrypted values.',
    'no-longer-encrypted':
      'The partition seems encrypted, and the fresh one is not. Firmware with NVS encryption erases its values.',
    small: 'The partition is so small that the firmware can only read it.',
    'other-device': 'The partition holds the identity of another device, which is replaced.',
  } satisfies Record<Warning['kind'], string>,
  otherDevice: (key: string) => `The partition holds the identity of device ${key}, which is replaced.`,
  overwritten: 'The partition is replaced by a fresh one',
  overwrittenLost: (keys: number, namespaces: number, unreadable: number) =>
    `What it holds is lost: ${plural(keys, { one: '1 key', other: `${keys} keys` })} in ${plural(namespaces, {
      one: '1 namespace',
      other: `${namespaces} namespaces`,
    })}${unreadable > 0 ? `, and ${unreadable} entries that cannot be read` : ''}.`,
  interrupted: 'A write to this board was cut off',
  interruptedText: (what: string, when: string, written: number, all: number) =>
    `${what}, ${when}: ${written} of ${sectors(all)} were written. Writing now completes it.`,
  interruptedSince: (n: number) =>
    `The firmware has started since and changed ${sectors(n)}, which become what they were before.`,
  interruptedOutdated: (what: string, when: string) =>
    `${what}, ${when}. The firmware has started since, and every key is still there: what the board holds now is kept.`,
  otherInterrupted: (names: string) =>
    `A write to another partition of this board was cut off (${names}). Choose that partition to complete or undo it; until then the board is not reset.`,
  movedHere: (mac: string) => `The server has this device on the board ${mac}. It moves to this board.`,
  replacedHere: (key: string, name: string) =>
    `The server has the device ${key} (${name}) on this board. It is replaced.`,
  replaceBoard: 'Replace board',
  replaceBoardHint: 'Two boards may only have been swapped on the desk: check that this is the right one.',

  write: (n: number) => `Write ${sectors(n)}`,
  report: 'Report to the server',
  undo: 'Undo the write that was cut off',
  undoHint: 'The partition becomes what it was before that write.',
  giveUp: 'Delete the backup',
  giveUpHint: 'What the partition held before that write can then not be restored.',
  giveUpConfirm: 'I do not need what the partition held',
  saveBackup: 'Save the partition as a file',
  backupWhere:
    'What the partition held is in this browser on this computer, encrypted. Clearing the data of this site deletes it, and no other browser has it. To keep it elsewhere too, save it as a file.',
  backupHint: 'The file holds the secrets of the board. Keep it safe, or do without it.',
  cancel: 'Cancel',
  stopped: 'Cancelled: nothing was written.',
  stoppedDevice: (key: string) => `The new device ${key} stays; delete it if it is not needed.`,

  change_what: 'Change what is read',
  optionPartition: 'NVS partition',
  optionPartitionDefault: 'nvs, or the only one',
  optionTable: 'Partition table of the firmware (CSV or binary)',
  optionTableHint: 'partitions.csv or partition-table.bin of the firmware’s build.',
  optionOffset: 'Offset of the partition table',
  optionOffsetInvalid: 'An offset is a number such as 0x8000.',
  optionKeys: 'Keys of the NVS partition',
  optionKeysHint: 'The key partition, or only the 64 bytes of the keys. They stay in this browser’s memory.',
  optionOverwrite: 'Replace the partition by a fresh one: what it holds is lost',
  apply: 'Try with these',

  occupied: 'This board already carries a device',
  occupiedChip: (key: string) => `Its partition holds the identity of device ${key}.`,
  occupiedServer: (key: string, name: string) => `The server has the device ${key} (${name}) on it.`,
  occupiedAdvice:
    'To bring it up to date, cancel and provision that device. If you go on, a new device is created and takes the board over.',
  goOn: 'Create a new device',

  done: 'Done',
  doneWritten: (key: string, n: number) => `${key} is on the board: ${sectors(n)} written and verified.`,
  doneUnchanged: (key: string) => `The board already has what ${key} gets: nothing was written.`,
  doneRestored: (n: number) => `The partition is what it was before the write that was cut off: ${sectors(n)} written.`,
  doneStarts: 'The board was reset, and its firmware starts.',
  toDevice: 'Show the device',
  another: 'Provision another board',
  notes: {
    'not-reset': 'The board was not reset: press RESET, or unplug it and plug it in again.',
    'not-reset-interrupted':
      'The board was not reset, because another write to it is not complete, and its firmware would find half of a partition.',
    'outcome-unreported':
      'The server does not know the outcome, because it did not answer: provision the device again later.',
    'backup-left': 'The backup in this browser could not be deleted: the next time, this write is completed again.',
  },

  failed: 'That failed',
  cutOff:
    'The write was cut off. Do not start the board’s firmware: hold BOOT down while you connect the board again, and try again. The write is completed, or undone, from the backup in this browser.',
  untouched:
    'This attempt has written nothing to the board. If an earlier one was cut off, its backup is still here: do not start the board’s firmware before that write is completed or undone.',
  retry: 'Try again',
  newPort:
    'Was it not unplugged? A chip on its own USB, such as an ESP32-S2, has a new port once it is in download mode: choose it again, without a reset.',
  retryBoot: 'Try again without a reset (BOOT held)',
  detail: 'Detail',
  step: {
    connect: 'while connecting',
    read: 'while reading',
    write: 'while writing',
    verify: 'while verifying',
    reset: 'while resetting',
    backup: 'while saving the backup',
    server: 'while asking the server',
  },

  /** By the kind of what happened on the cable. */
  problems: {
    'port-busy': {
      title: 'The port cannot be opened',
      advice:
        'Another program has it, or your user may not open it. Close serial monitors, IDEs and other tabs that use the board. On Linux, add yourself to the group dialout or uucp and sign in again.',
    },
    'port-blocked': {
      title: 'The browser does not allow serial ports here',
      advice: 'A policy blocks them. Use the file and the commands instead.',
    },
    'no-answer': {
      title: 'No answer from a chip',
      advice:
        'Put the board into download mode: hold BOOT, press and release RESET, release BOOT. Then try again without a reset. If that does not help, it may be another port, another kind of board, or a bad cable.',
    },
    'application-runs': {
      title: 'The board’s application runs, and it is not in download mode',
      advice: 'Hold BOOT, press and release RESET, release BOOT. Then try again without a reset.',
    },
    'unknown-chip': {
      title: 'The chip is not known',
      advice: 'It is no ESP32, or newer than this version of Fleetmint.',
    },
    'not-connected': {
      title: 'The connection to the chip failed',
      advice: 'Try again, with another cable or another USB port.',
    },
    'secure-download': {
      title: 'The chip is in secure download mode',
      advice:
        'No tool can read its flash, so nothing on it could be kept. Such a board is provisioned by its firmware, not over a cable.',
    },
    'no-stub': {
      title: 'The chip does not run the flash program',
      advice:
        'Without it the chip erases more than it is asked to, so nothing is written. Use esptool or `fleetmint flash`.',
    },
    'no-flash': {
      title: 'The chip finds no flash',
      advice: 'The board may be damaged, or wired differently.',
    },
    unplugged: {
      title: 'The connection to the board is gone',
      advice: 'The cable was unplugged, or the board lost its power. Connect it again and try again.',
    },
    timeout: {
      title: 'The chip has stopped answering',
      advice: 'It was reset, or the connection is bad. Try again, with another cable or another USB port.',
    },
    refused: {
      title: 'The chip refused a command',
      advice: 'Try again. If it happens each time, its flash may be write-protected or worn out.',
    },
    'read-differs': {
      title: 'What was read differs from the chip’s checksum',
      advice: 'The line is bad: try another cable or another USB port.',
    },
    'write-differs': {
      title: 'The chip’s checksum differs from what was written',
      advice: 'The flash may be worn out or write-protected. Try again once; then use another board.',
    },
    'out-of-flash': {
      title: 'The partition is not in this flash',
      advice: 'The partition table is for a larger flash: flash the firmware for this board.',
    },
    'other-tab': {
      title: 'Another tab is working on this board',
      advice: 'Finish or close it there, then try again.',
    },
    'backup-failed': {
      title: 'The backup cannot be stored in this browser',
      advice: 'Without it nothing is written. A private window, a full disk or blocked site data can be the reason.',
    },
    'backup-unreadable': {
      title: 'A write to this board was cut off, and its backup cannot be opened',
      advice:
        'It was made while another server was signed in to, or it is damaged. Complete the write from there, or delete the backup and give up what the partition held.',
    },
    'partition-moved': {
      title: 'A write was cut off, and the partition has another place now',
      advice: 'The board got another partition table since. Delete the backup to give up what the partition held.',
    },
    'partition-erased': {
      title: 'The partition was erased after a write to it was cut off',
      advice: 'Undo that write to bring back what it held, or delete the backup to give it up.',
    },
    cancelled: { title: 'Cancelled', advice: 'Nothing was written.' },
  } satisfies Record<BoardProblem, Advice>,

  noSerial: {
    insecure: 'This page needs a secure connection for a board',
    insecureText:
      'Browsers give a page access to serial ports only over HTTPS, or on this computer itself. This page was opened over plain HTTP.',
    insecureLocal: 'Fleetmint runs on this computer? Then open it here:',
    insecureElse: 'Otherwise open the page over HTTPS.',
    missing: 'This browser cannot reach serial ports',
    missingText:
      'It does not have Web Serial. Open this page in a browser that has it, or use the file and the commands.',
    blocked: 'Serial ports are blocked',
    blockedText:
      'This browser has Web Serial, and a policy does not allow it: of its administrator, or of a proxy on the way (Permissions-Policy).',
    instead: 'Without it: a file, or the command line',
    keepAll: 'Keeps everything else on the board: on the computer that the board is connected to',
    replaceAll:
      'With Espressif’s esptool: the whole partition is replaced, and what other software stored in it is lost',
    replaceFirst: 'Save the file first, with the size of the board’s partition:',
    size: 'Size of the partition',
    offset: 'Offset of the partition',
    invalid: 'A multiple of 0x1000, such as 0x6000.',
    save: 'Save the image',
    saved: (name: string) => `Saved as ${name}. It holds the device’s secret: delete it after use.`,
    copyCommand: 'Copy the command',
    createFirst: 'Create the device first, then the file and the commands are shown.',
    create: 'Create the device',
  },
};

/** Why a partition is not written, by the kind; the program’s own message is shown below it as the detail. */
export const refusals = {
  'several-tables': { title: 'The file has several partition tables', advice: 'Say at which offset the right one is.' },
  'unproven-table': {
    title: 'It is not certain that this is a partition table',
    advice: 'Say at which offset the table is.',
  },
  'not-from-start': {
    title: 'The dump does not begin at the start of the flash',
    advice: 'Read the whole flash, from offset 0.',
  },
  shifted: { title: 'The dump is shifted', advice: 'Read the whole flash, from offset 0.' },
  'flash-erased': {
    title: 'There is no firmware on this board',
    advice:
      'The flash is erased where the partition table would be. Flash the firmware first, or say where its table is.',
  },
  'table-encrypted': {
    title: 'Flash encryption is on: the partition table cannot be read',
    advice:
      'Give the partition table of the firmware’s build as a file, and the keys if the NVS partition is encrypted.',
  },
  'no-table': {
    title: 'There is no partition table where it is expected',
    advice: 'Say at which offset the firmware’s table is, or give the table as a file.',
  },
  table: {
    title: 'The partition table is unusable',
    advice: 'Flash the firmware’s table again, or give the table as a file.',
  },
  'partition-not-found': { title: 'There is no such partition', advice: 'Choose one of the board’s partitions.' },
  'no-nvs': { title: 'The board has no NVS partition', advice: 'Use a firmware whose partition table has one.' },
  'several-nvs': {
    title: 'The board has several NVS partitions',
    advice: 'Choose the one that the firmware reads its settings from.',
  },
  'not-nvs-type': { title: 'This partition is of another type than NVS', advice: 'Choose another partition.' },
  'encrypted-flag': {
    title: 'The partition has the flag “encrypted”',
    advice: 'The firmware cannot use NVS in it. Remove the flag in the firmware’s partition table.',
  },
  overlap: {
    title: 'Partitions overlap',
    advice: 'A write would change something else. Correct the firmware’s partition table.',
  },
  'before-table': {
    title: 'The partition lies before the partition table',
    advice: 'The boot loader is there. Correct the firmware’s partition table.',
  },
  misaligned: {
    title: 'The partition does not begin or end at a sector',
    advice: 'Correct the firmware’s partition table: multiples of 0x1000.',
  },
  'read-only': {
    title: 'The partition has the flag “readonly”',
    advice: 'The firmware never writes to it. Remove the flag, or choose another partition.',
  },
  'beyond-flash': {
    title: 'The partition does not fit into this flash',
    advice: 'The table is for a larger flash: flash the firmware for this board.',
  },
  size: { title: 'The partition has an unusable size', advice: 'Correct the firmware’s partition table.' },
  'cut-short': { title: 'The partition was not read completely', advice: 'Read it again.' },
  'one-page': {
    title: 'A partition of one page cannot be changed',
    advice: 'The firmware needs a page that stays free: enlarge the partition to 0x3000 bytes or more.',
  },
  'not-nvs': {
    title: 'The partition holds something else than NVS',
    advice: 'Choose another partition. If what it holds is not needed, replace it.',
  },
  'would-be-erased': {
    title: 'The firmware would erase the partition at its next start',
    advice: 'Start the firmware that wrote it once, then try again. If what it holds is not needed, replace it.',
  },
  'cannot-open': {
    title: 'The firmware cannot open the partition',
    advice: 'If what it holds is not needed, replace it.',
  },
  'unknown-type': {
    title: 'Newer firmware has stored values that this version does not know',
    advice: 'A change could lose them. Use a later version of Fleetmint.',
  },
  'no-room': {
    title: 'The partition has no room',
    advice:
      'Its other values fill it. Delete keys that are not needed (in the NVS inspector), or enlarge the partition.',
  },
  'too-many-changes': { title: 'These are too many changes', advice: 'Make them in several steps.' },
  'key-file': {
    title: 'The file holds no usable keys',
    advice: 'Choose the key partition, or a file with its first 64 bytes.',
  },
  'key-missing': {
    title: 'The partition is encrypted, and its keys are not on the chip',
    advice: 'Give its keys as a file. If they are lost, replace the partition: what it holds is lost.',
  },
  'wrong-key': {
    title: 'These are not the keys of this partition',
    advice: 'Give the keys of this board. If they are lost, replace the partition: what it holds is lost.',
  },
  'not-encrypted': { title: 'The partition is not encrypted', advice: 'Leave out the keys.' },
  'keys-do-not-fit': {
    title: 'The partition is encrypted with other keys than those on the chip',
    advice: 'Give the right keys as a file. If they are lost, replace the partition: what it holds is lost.',
  },
  'keys-unreadable': {
    title: 'The keys on the chip cannot be read',
    advice: 'Flash encryption covers them. Give the keys as a file.',
  },
  image: {
    title: 'This is not a provisioning image',
    advice: 'Load the page again; if it stays, the server has another version.',
  },
  change: { title: 'One of the changes fails', advice: 'Correct it.' },
  'no-such-entry': { title: 'There is no such entry', advice: 'Read the partition again.' },
  internal: { title: 'A fault of this program', advice: 'Load the page again, and report it if it comes back.' },
} satisfies Record<ErrorKind, Advice>;
