// What a program in TypeScript writes against the types that openapi-typescript makes: compiled by the tests, then run.
//
//   node walk.js URL TOKEN_FILE

import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./document.js";

const [url, tokenFile] = process.argv.slice(2) as [string, string];
const token = readFileSync(tokenFile, "utf8").trim();
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });

type Problem = components["schemas"]["Problem"];

function done<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.error !== undefined || answer.data === undefined) {
    throw new Error(`${answer.response.status}: ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

const model = done(await client.POST("/api/device-models", { body: { code: "typed", name: "Typed model" } }));
const device = done(
  await client.POST("/api/devices", { body: { device_model_id: model.id, name: "Typed device" } }),
);
const path = { id: device.id };
const image = done(
  await client.GET("/api/devices/{id}/provisioning", { params: { path, query: { partition_size: "0x6000" } } }),
);
if (typeof image === "string") throw new Error("JSON was asked for");
if (image.size !== 0x6000) throw new Error(`the image has ${image.size} bytes`);

const changed = done(
  await client.PATCH("/api/devices/{id}", { params: { path }, body: { provisioning: { wifi_password: "" } } }),
);
const state: "unset" | "empty" | "set" = changed.provisioning.wifi_password_state;
if (state !== "empty") throw new Error(state);

const page = done(await client.GET("/api/devices", { params: { query: { sort: "-name", q: "TYPED" } } }));
if (page.items[0]?.id !== device.id) throw new Error("the device is not listed");

const inUse = await client.DELETE("/api/device-models/{id}", { params: { path: { id: model.id } } });
const problem: Problem | undefined = inUse.error;
if (problem?.type !== "urn:fleetmint:problem:in-use") throw new Error(JSON.stringify(problem));
for (const deleted of [
  await client.DELETE("/api/devices/{id}", { params: { path } }),
  await client.DELETE("/api/device-models/{id}", { params: { path: { id: model.id } } }),
]) {
  if (deleted.response.status !== 204) throw new Error(String(deleted.response.status));
}
console.log("walked one device through");
