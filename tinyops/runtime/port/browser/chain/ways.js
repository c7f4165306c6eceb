// The ways to the part before, and what their buttons say.

import * as bluetooth from "./bluetooth.js";
import * as serial from "./serial.js";
import * as websocket from "./websocket.js";

export const serialWay = { ...serial, label: "Connect the cable" };
export const bluetoothWay = { ...bluetooth, label: "Connect over Bluetooth" };
export const websocketWay = { ...websocket, label: "Connect to the bridge" };
