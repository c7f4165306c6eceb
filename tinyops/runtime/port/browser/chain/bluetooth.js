// Web Bluetooth: the part before is a peripheral with the Nordic UART Service. It notifies what it sends, and is
// written what it is sent.

import { CHAIN } from "./chain.js";
import { Writer } from "./upstream.js";

const PIECE_BYTES = 20; // of the smallest MTU: a page is not told which one it has

export const missing = () =>
  navigator.bluetooth ? "" : "This browser has no Web Bluetooth: Chrome and Edge have it, not on iPhones.";

export const choose = () => navigator.bluetooth.requestDevice({ filters: [{ services: [CHAIN.ble.service] }] });

export async function open(device, _link, heard, lost) {
  const gone = () => lost("is out of reach");
  device.addEventListener("gattserverdisconnected", gone);
  const close = () => {
    device.removeEventListener("gattserverdisconnected", gone);
    device.gatt.disconnect();
  };
  try {
    return { write: await join(device, heard, lost), close };
  } catch (error) {
    close(); // else its services are not looked for again
    throw error;
  }
}

async function join(device, heard, lost) {
  const server = await device.gatt.connect();
  const service = await server.getPrimaryService(CHAIN.ble.service);
  const sends = await service.getCharacteristic(CHAIN.ble.notify);
  const takes = await service.getCharacteristic(CHAIN.ble.write);
  sends.addEventListener("characteristicvaluechanged", ({ target: { value } }) =>
    heard(new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice()),
  );
  await sends.startNotifications();
  const output = new Writer((bytes) => takes.writeValueWithoutResponse(bytes), PIECE_BYTES, lost);
  return (bytes) => output.write(bytes);
}
