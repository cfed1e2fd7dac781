import { readFileSync } from 'node:fs';
import { Fault } from '../base/fault.ts';
import type { World } from './context.ts';
import { type Delivery, deliveredJson } from './deliver.ts';

/** One option of a verb, for the parser and for its help. */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  /** What follows it in the help: `TEAM`. */
  readonly value?: string;
  readonly help: string;
}

export interface Verb {
  readonly name: string;
  readonly summary: string;
  /** After the verb: `PACKAGE…`. */
  readonly operands: string;
  readonly options: Readonly<Record<string, Option>>;
  readonly example: string;
  /** Returns false where a person must act though nothing is broken (a check with complaints). */
  readonly run: (world: World, args: Args) => Promise<boolean | undefined>;
}

/** What was typed: operands, and options by name. */
export class Args {
  readonly operands: readonly string[];
  readonly #values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

  constructor(operands: readonly string[], values: Args['values']) {
    this.operands = operands;
    this.#values = values;
  }

  get values(): Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>> {
    return this.#values;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  need(name: string): string {
    const value = this.text(name);
    if (value !== undefined && value !== '') return value;
    throw new Fault('USAGE', `--${name} is missing`, { hint: 'See sluice VERB --help.' });
  }

  list(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : typeof value === 'string' ? [value] : [];
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  get how(): Delivery {
    if (this.flag('propose')) return 'propose';
    return this.flag('write') ? 'write' : 'show';
  }
}

export const DELIVERY = {
  write: { type: 'boolean', help: 'put the plan into the work tree' },
  propose: { type: 'boolean', help: 'open or refresh the pull request' },
  all: { type: 'boolean', help: 'show every row of the plan' },
} as const satisfies Record<string, Option>;

export const TEAM = { type: 'string', value: 'TEAM', help: 'the team' } as const satisfies Option;

export async function delivering(
  world: World,
  work: Promise<Parameters<typeof deliveredJson>[0]>,
): Promise<undefined> {
  const delivered = await work;
  if (world.json) world.print(deliveredJson(delivered));
}

export function operand(args: Args, what: string): string {
  const [first, ...rest] = args.operands;
  if (first === undefined)
    throw new Fault('USAGE', `${what} is missing`, { hint: 'See sluice VERB --help.' });
  if (rest.length > 0)
    throw new Fault('USAGE', `${JSON.stringify(rest[0])} is one word too many`, {
      hint: 'See sluice VERB --help.',
    });
  return first;
}

/** Of a file, or of standard input (`-`). */
export function lines(path: string): string[] {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8').split('\n');
  } catch (cause) {
    throw new Fault('USAGE', `${path} cannot be read`, {
      hint: 'Name a file with one build a line.',
      at: path,
      cause,
    });
  }
}

export function pullNumber(text: string | undefined): number {
  const number = Number((text ?? '').replace(/^#/, ''));
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Fault('USAGE', 'the number of the pull request is missing', {
    hint: 'sluice pr list shows them.',
  });
}
