import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf, Fault } from '../base/fault.ts';
import type { Order, Report, Start } from './starter.ts';

/** How a program ended. `signal`: what killed it. */
export interface Ended {
  readonly status: number;
  readonly signal: string | null;
  readonly stderr: string;
}

/** One git that runs. Its output comes as an iteration, which must be left or read to its end; then `ended` says how. */
export interface Started {
  output(): AsyncGenerator<Buffer>;
  readonly ended: Promise<Ended>;
}

/** One that answers questions for as long as there are any (`stays`). */
export interface Staying extends Started {
  readonly over: boolean;
  /** More of its standard input. */
  write(input: string): void;
  /** Whether this process waits for an answer; else it may end without one. */
  wait(yes: boolean): void;
  stop(): void;
}

const STARTER = fileURLToPath(new URL(`./starter${extname(import.meta.url)}`, import.meta.url));

/** Every so many chunks the starter is told to go on. */
const MORE = 8;

let starter: Starter | undefined;

/** Starts git from the small process of `starter.ts`. Its errors have node's codes: ENOENT when there is no git. */
export function startGit(order: Omit<Start, 'id'>): Staying {
  if (!starter?.usable) starter = new Starter();
  return starter.start(order);
}

/** Has the small process ready when it is first asked: it begins while this one still loads its modules. */
export function readyToStart(): void {
  starter ??= new Starter();
}

class Starter {
  readonly #child: ChildProcess;
  readonly #runs = new Map<number, Run>();
  #next = 0;
  #awaited = 0;
  usable = true;

  constructor() {
    this.#child = fork(STARTER, [], {
      serialization: 'advanced',
      execArgv: [],
      cwd: '/', // it keeps no folder in use
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (report: Report) => this.#take(report));
    this.#child.on('error', (error) => this.#fail(codeOf(error) ?? error.message));
    this.#child.on('exit', (status, signal) => this.#fail(`ended (${signal ?? status})`));
    this.#child.unref();
    this.#child.channel?.unref();
  }

  start(order: Omit<Start, 'id'>): Staying {
    const id = this.#next++;
    const run = new Run(
      (what) => this.#send({ id, ...what }),
      (yes) => this.#wait(yes),
    );
    run.wait(!order.stays);
    this.#runs.set(id, run);
    this.#send({ id, ...order });
    return run;
  }

  /** This process waits for answers, not for the small one. */
  #wait(yes: boolean): void {
    this.#awaited += yes ? 1 : -1;
    if (this.#awaited > 0) this.#child.channel?.ref();
    else this.#child.channel?.unref();
  }

  #send(order: Order): void {
    if (this.#child.connected) this.#child.send(order, (error) => error && this.#fail(error.message));
  }

  #take(report: Report): void {
    const run = this.#runs.get(report.id);
    if (!run) return;
    if ('output' in report) {
      run.take(report.output);
      return;
    }
    this.#runs.delete(report.id);
    if ('failed' in report)
      run.fail(Object.assign(new Error(`git: ${report.failed}`), { code: report.failed }));
    else run.end(report);
  }

  #fail(why: string): void {
    if (!this.usable) return;
    this.usable = false;
    for (const run of this.#runs.values()) {
      run.fail(new Fault('GIT', `the process that starts git ${why}`, { hint: 'Run the command again.' }));
    }
    this.#runs.clear();
  }
}

type What = { more: number } | { input: string } | { end: true };

class Run implements Staying {
  readonly ended: Promise<Ended>;
  readonly #order: (what: What) => void;
  readonly #wait: (yes: boolean) => void;
  readonly #chunks: Buffer[] = [];
  readonly #settle: { resolve(ended: Ended): void; reject(error: Error): void };
  over = false;
  #awaited = false;
  #wake: () => void = () => {};

  constructor(order: (what: What) => void, wait: (yes: boolean) => void) {
    this.#order = order;
    this.#wait = wait;
    const { promise, resolve, reject } = Promise.withResolvers<Ended>();
    promise.catch(() => {}); // whoever reads asks for it
    this.ended = promise;
    this.#settle = { resolve, reject };
  }

  write(input: string): void {
    this.#order({ input });
  }

  wait(yes: boolean): void {
    if (yes !== this.#awaited) this.#wait(yes);
    this.#awaited = yes;
  }

  stop(): void {
    if (!this.over) this.#order({ end: true });
  }

  take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#wake();
  }

  end(ended: Ended): void {
    this.over = true;
    this.wait(false);
    this.#settle.resolve(ended);
    this.#wake();
  }

  fail(error: Error): void {
    this.over = true;
    this.wait(false);
    this.#settle.reject(error);
    this.#wake();
  }

  async *output(): AsyncGenerator<Buffer> {
    let taken = 0;
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk) {
          if (++taken % MORE === 0) this.#order({ more: MORE });
          yield chunk;
        } else if (this.over) return;
        else await new Promise<void>((wake) => (this.#wake = wake));
      }
    } finally {
      this.stop();
    }
  }
}
