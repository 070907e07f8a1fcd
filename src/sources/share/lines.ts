/** Lines of text off a socket, each of bounded length. */
import type { Socket } from 'node:net';

const LINE_FEED = 10;

/** Calls `each` for every whole line; `tooLong` once, and no more lines, when one is longer than `most` bytes. */
export function readLines(
  socket: Socket,
  most: number,
  each: (line: string) => void,
  tooLong: () => void,
): void {
  let parts: Buffer[] = [];
  let length = 0;
  let over = false;
  socket.on('data', (data: Buffer) => {
    for (let start = 0; start < data.length && !over; ) {
      const feed = data.indexOf(LINE_FEED, start);
      const part = data.subarray(start, feed < 0 ? data.length : feed);
      length += part.length;
      if (length > most) {
        over = true;
        tooLong();
        return;
      }
      parts.push(part);
      if (feed < 0) return;
      const line = Buffer.concat(parts).toString('utf8');
      [parts, length] = [[], 0];
      each(line);
      start = feed + 1;
    }
  });
}
