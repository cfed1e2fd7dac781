import { isAbsolute, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Fault } from './base/fault.ts';
import { help, verbHelp } from './flows/help.ts';
import { main } from './flows/main.ts';
import { progressOn } from './flows/progress.ts';
import { Args, type Verb } from './flows/verb.ts';
import { VERSION } from './flows/version.ts';
import { readyToStart } from './forge/start.ts';

const COMMON = {
  repo: { type: 'string' },
  mirror: { type: 'string' },
  cache: { type: 'string' },
  now: { type: 'string' },
  by: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** `sluice <verb> …`: reads the clock and the environment once, and hands them down. */
async function run(argv: readonly string[]): Promise<boolean | undefined> {
  const [name, ...rest] = argv;
  if (name === '--version') {
    process.stdout.write(`${VERSION}\n`);
    return undefined;
  }
  const helps = name === undefined || name.startsWith('-') || name === 'help' || rest.includes('--help');
  if (!helps) readyToStart(); // what starts git does so beside the modules of the verbs
  const { VERBS } = await import('./flows/verbs.ts');
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help(VERBS));
    return name !== undefined;
  }
  const verb = VERBS.find((v) => v.name === name);
  if (!verb) {
    throw new Fault('USAGE', `there is no verb ${JSON.stringify(name)}`, {
      hint: 'sluice --help lists them.',
    });
  }
  const { values, positionals } = parse(verb, rest);
  if (values['help']) {
    process.stdout.write(verbHelp(verb));
    return undefined;
  }
  const text = (key: string) => (typeof values[key] === 'string' ? values[key] : undefined);
  const progress = progressOn(process.stderr);
  return verb.run(
    {
      repoDir: text('repo') ?? process.cwd(),
      mirrorDir: text('mirror') ?? process.env['SLUICE_MIRROR'],
      cacheDir: (text('cache') ?? process.env['SLUICE_CACHE'] ?? userCache()) || undefined,
      now: timeOf(text('now')),
      clock: () => timeOf(text('now')),
      elapsed: () => performance.now(), // of Node, which begins with the process
      by: text('by') ?? process.env['SLUICE_BY'] ?? process.env['USER'] ?? 'operator',
      env: process.env,
      progress,
      print: (line) => process.stdout.write(line),
      json: values['json'] === true,
    },
    new Args(positionals, values as Args['values']),
  );
}

function parse(verb: Verb, args: string[]) {
  const options: Record<string, { type: 'string' | 'boolean'; multiple?: boolean; short?: string }> = {
    ...COMMON,
  };
  for (const [key, { type, multiple }] of Object.entries(verb.options)) {
    options[key] = multiple ? { type, multiple } : { type };
  }
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split('. ')[0] ?? '') : String(cause);
    throw new Fault('USAGE', message, { hint: `See sluice ${verb.name} --help.`, cause });
  }
}

/** As the XDG base directory specification has it, which takes no relative path. */
function userCache(): string | undefined {
  const { XDG_CACHE_HOME: cache, HOME: home } = process.env;
  if (cache !== undefined && isAbsolute(cache)) return join(cache, 'sluice');
  return home !== undefined && isAbsolute(home) ? join(home, '.cache', 'sluice') : undefined;
}

function timeOf(text: string | undefined): Date {
  if (text === undefined) return new Date();
  const date = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
  if (/^\d{4}-/.test(text) && !Number.isNaN(date.getTime())) return date;
  throw new Fault('USAGE', `--now ${JSON.stringify(text)} is not a time`, {
    hint: 'Write 2026-03-12 or 2026-03-12T09:00:00Z.',
  });
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // `sluice … | head` read all that it wanted
  throw error;
});

await main(() => run(process.argv.slice(2)));
