// A WebSocket whose binary messages are the bytes of the link: of `tinyops bridge` with ws-listen.

const MESSAGE_BYTES_MAX = 64 * 1024;
const WAITING_BYTES_MAX = 64 * 1024;

export const missing = () => "";

export async function choose(_link, typed) {
  let url = null;
  try {
    url = new URL(typed.trim());
  } catch {
    // said below
  }
  if (url === null || !["ws:", "wss:"].includes(url.protocol) || url.hash !== "") {
    throw new Error("Type the bridge's address, such as wss://gateway.example:7610.");
  }
  return url.href;
}

export function open(place, _link, heard, lost) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(place);
    const end = (why) => {
      reject(new Error(why));
      lost(why);
      socket.close();
    };
    socket.binaryType = "arraybuffer";
    socket.onopen = () =>
      resolve({
        write: (bytes) => {
          if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount <= WAITING_BYTES_MAX) socket.send(bytes);
        },
        close: () => socket.close(),
      });
    socket.onmessage = ({ data }) => {
      if (!(data instanceof ArrayBuffer)) end("the bridge sent text: it is none");
      else if (data.byteLength > MESSAGE_BYTES_MAX) end(`the bridge sent ${data.byteLength} bytes at once`);
      else heard(new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }) => end(reason ? `the bridge closed: ${reason}` : `the bridge is gone (${code})`);
  });
}
