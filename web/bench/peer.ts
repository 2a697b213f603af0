// esptool-js, used as its README says, in a page of its own.
import { ESPLoader, Transport } from 'esptool-js';

export async function writeWhole(data: Uint8Array, address: number, md5: string): Promise<void> {
  const port = await navigator.serial.requestPort();
  const transport = new Transport(port, false);
  const terminal = { clean: () => {}, write: () => {}, writeLine: () => {} };
  const loader = new ESPLoader({ transport, baudrate: 115_200, romBaudrate: 115_200, terminal });
  await loader.main();
  await loader.writeFlash({
    fileArray: [{ data, address }],
    flashMode: 'keep',
    flashFreq: 'keep',
    flashSize: 'keep',
    eraseAll: false,
    compress: true,
    calculateMD5Hash: () => md5,
  });
  // `hard_reset` of this version does not reset.
  await loader.after('custom_reset', undefined, 'D0|R1|W100|R0');
  await transport.disconnect();
}
