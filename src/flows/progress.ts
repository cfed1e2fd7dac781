import type { WriteStream } from 'node:tty';
import type { Progress } from '../base/progress.ts';
import { plain } from '../report/safe.ts';
import { bytes, number } from '../report/words.ts';

const WIDTH = 24;

/** A bar on a terminal; elsewhere one line when a step begins that is worth a line. */
export function progressOn(stream: NodeJS.WriteStream | WriteStream): Progress {
  const tty = stream.isTTY === true;
  let name = '';
  let total = 0;
  let done = 0;
  let unit: 'bytes' | 'items' = 'items';
  let drawn = -1;
  const show = (n: number) => (unit === 'bytes' ? bytes(n) : number(n));
  const draw = () => {
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const step = total > 0 ? Math.floor(share * 200) : Math.floor(done / (unit === 'bytes' ? 1 << 20 : 100));
    if (step === drawn) return;
    drawn = step;
    const filled = Math.round(share * WIDTH);
    const bar =
      total > 0
        ? `[${'='.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${show(done)} of ${show(total)}`
        : show(done);
    stream.write(`\r\u001b[K${name} ${bar}`);
  };
  return {
    start(what, size, counted) {
      [name, total, done, unit, drawn] = [plain(what), size, 0, counted, -1];
      if (tty) draw();
      else if (size > 0) stream.write(`${name}: ${show(size)}\n`);
    },
    advance(by) {
      done += by;
      if (tty) draw();
    },
    done() {
      if (tty) stream.write('\r\u001b[K');
    },
    say(line) {
      stream.write(`${tty ? '\r\u001b[K' : ''}${plain(line, 1_000)}\n`);
    },
  };
}
