import { Unknown } from './unknown.ts';

export interface Note {
  readonly level: 'failure' | 'warning' | 'notice';
  readonly path: string;
  readonly line: number;
  readonly message: string;
  readonly title?: string;
}

/** "Workflow commands for GitHub Actions", "Limitations": "10 warning annotations, 10 error annotations … per step". */
const NOTES_OF_A_STEP = 10;
const LEVELS = { error: 'failure', warning: 'warning', notice: 'notice' } as const;

/** What a step printed, read as GitHub's runner reads it. */
export class Output {
  readonly notes: Note[] = [];
  readonly #masks: Set<string>;
  readonly #lines: string[] = [];
  readonly #where: string;
  #stopped: string | undefined;

  constructor(masks: Set<string>, where: string) {
    this.#masks = masks;
    this.#where = where;
  }

  /** As the log shows it. */
  get log(): string {
    return this.#lines.map((line) => `${line}\n`).join('');
  }

  note(note: Note): void {
    if (this.notes.filter(({ level }) => level === note.level).length >= NOTES_OF_A_STEP) return;
    this.notes.push({ ...note, message: this.#masked(note.message) });
  }

  /** A line without its end. */
  add(line: string): void {
    if (this.#stopped === undefined) {
      const found = /^\s*::([a-zA-Z-]+)(?: ([^:]*))?::(.*)$/.exec(line);
      if (found) this.#obey(line, found[1] ?? '', found[2] ?? '', found[3] ?? '');
      else this.#say(line);
    } else if (line.trim() === `::${this.#stopped}::`) this.#stopped = undefined;
    else this.#say(line);
  }

  #obey(line: string, command: string, given: string, data: string): void {
    if (command === 'stop-commands') this.#stopped = data;
    else if (command === 'add-mask') this.#masks.add(unescaped(data));
    else if (['group', 'endgroup', 'debug'].includes(command)) this.#say(line);
    else if (isLevel(command)) this.#annotate(command, propertiesOf(given), unescaped(data), line);
    else throw new Unknown(this.#where, `the workflow command ${command}`);
  }

  #annotate(
    kind: keyof typeof LEVELS,
    properties: ReadonlyMap<string, string>,
    message: string,
    line: string,
  ): void {
    const title = properties.get('title');
    const place = { path: properties.get('file') ?? '.github', line: Number(properties.get('line') ?? 1) };
    this.note({ level: LEVELS[kind], message, ...place, ...(title === undefined ? {} : { title }) });
    this.#say(line);
  }

  #say(line: string): void {
    this.#lines.push(this.#masked(line));
  }

  #masked(text: string): string {
    let shown = text;
    for (const secret of this.#masks) if (secret !== '') shown = shown.replaceAll(secret, '***');
    return shown;
  }
}

function isLevel(command: string): command is keyof typeof LEVELS {
  return command in LEVELS;
}

function propertiesOf(given: string): Map<string, string> {
  const pairs = given.split(',').filter(Boolean);
  return new Map(
    pairs.map((pair) => {
      const equals = pair.indexOf('=');
      return [pair.slice(0, equals).trim(), unescaped(pair.slice(equals + 1))] as const;
    }),
  );
}

function unescaped(text: string): string {
  const of: Readonly<Record<string, string>> = {
    '%25': '%',
    '%0D': '\r',
    '%0A': '\n',
    '%3A': ':',
    '%2C': ',',
  };
  return text.replace(/%(?:25|0D|0A|3A|2C)/g, (code) => of[code] ?? code);
}

/** What a step wrote to GITHUB_OUTPUT or GITHUB_ENV: `name=value`, or `name<<END` and lines. */
export function readAssignments(text: string, where: string): Record<string, string> {
  const found: Record<string, string> = {};
  const lines = text.split('\n');
  for (let n = 0; n < lines.length; n += 1) {
    const line = lines[n] ?? '';
    if (line === '') continue;
    const [, long, end] = /^([^=]+?)<<(.+)$/.exec(line) ?? [];
    if (long !== undefined) {
      const stop = lines.indexOf(end ?? '', n + 1);
      if (stop < 0) throw new Error(`${where}: no line ${end}`);
      found[long] = lines.slice(n + 1, stop).join('\n');
      n = stop;
      continue;
    }
    const equals = line.indexOf('=');
    if (equals < 1) throw new Error(`${where}: ${JSON.stringify(line)} assigns nothing`);
    found[line.slice(0, equals)] = line.slice(equals + 1);
  }
  return found;
}
