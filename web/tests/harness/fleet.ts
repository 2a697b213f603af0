// A small fleet, the same in each run: what views are tested with, and what the pictures of the documents show.
import type { Device, DeviceModel, Server } from './server.ts';

export interface Fleet {
  readonly sensor: DeviceModel;
  readonly gate: DeviceModel;
  readonly kitchen: Device;
  readonly devices: readonly Device[];
  /** The MAC of the board that carries `kitchen`. */
  readonly board: string;
}

/** The settings of a service that is ready for devices. */
export const READY = {
  FLEETMINT_PROVISIONING__BASE_URL: 'https://api.example.com',
  FLEETMINT_PROVISIONING__TOKEN_URL: 'https://fleet.example.com/oauth2/token',
  FLEETMINT_PROVISIONING__MQTT_URL: 'mqtts://mqtt.example.com:8883',
  FLEETMINT_PROVISIONING__WIFI_SSID: 'Plant 7',
  FLEETMINT_PROVISIONING__WIFI_PASSWORD: 'a password of the plant',
};

const ROOMS = ['Kitchen', 'Hall', 'Boiler room', 'Cold store 1', 'Cold store 2', 'Loading dock', 'Roof'];

export async function createFleet(server: Server): Promise<Fleet> {
  const sensor = await server.createModel({
    code: 'tempsensor',
    name: 'Temperature sensor',
    provisioning: { wifi_ssid: 'Plant 7 sensors', wifi_password: 'a password of the sensors' },
  });
  const gate = await server.createModel({ code: 'gate', name: 'Gate controller' });
  const devices: Device[] = [];
  for (const [index, name] of ROOMS.entries()) {
    const serial = `SN-2026-${String(index + 1).padStart(4, '0')}`;
    devices.push(await server.createDevice({ device_model_id: sensor.id, name, serial }));
  }
  devices.push(await server.createDevice({ device_model_id: gate.id, name: 'North gate' }));
  const [kitchen, hall, boiler] = devices as [Device, Device, Device];
  const board = '60:55:f9:aa:00:01';
  await server.flash(kitchen, { mac: board, outcome: 'failed', reason: 'the board was unplugged' });
  await server.flash(kitchen, { mac: board });
  await server.flash(hall, { mac: '60:55:f9:aa:00:02', outcome: 'unchanged' });
  await server.beginFlash(boiler, { mac: '60:55:f9:aa:00:03', chip: 'esp32s3' });
  return { sensor, gate, kitchen, devices, board };
}

/** Every view of the page with this fleet on it. */
export function viewsOf({ kitchen, sensor, board }: Fleet): readonly string[] {
  return [
    '/devices',
    `/devices/${kitchen.id}`,
    '/models',
    `/models/${sensor.id}`,
    '/boards',
    `/boards/${board}`,
    '/settings',
    '/audit',
    '/inspector',
    '/devices/none',
  ];
}
