import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { expect, it } from 'vitest';
import { stateReadme } from '../../src/flows/templates/project.ts';
import { VERBS } from '../../src/flows/verbs.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)];

/** By page; the README of a state repository is one too. */
const TEXTS = new Map(PAGES.map((page) => [page, readFileSync(join(ROOT, page), 'utf8')]));
TEXTS.set(
  'the README of a state repository',
  stateReadme({ team: 'infra', sluiceVersion: '0.1.0', upstreams: [], toolIncluded: false }),
);

/** What a shell would run: indented lines and code spans that call the tool, without comments and redirections. */
function commandsIn(text: string): string[][] {
  const pieces = [...text.matchAll(/^ {4}(.*)$/gm), ...text.matchAll(/`([^`\n]+)`/g)].map(
    ([, piece = '']) => piece,
  );
  return pieces.flatMap((piece) => {
    const [, rest] = /^(?:npx sluice|npm run -s sluice --|sluice) ([a-z-].*)$/.exec(piece.trim()) ?? [];
    if (rest === undefined) return [];
    const words = rest.replace(/\s+#.*$|\s+>.*$/, '').match(/"[^"]*"|\S+/g) ?? [];
    return [words.filter((w) => w !== '…')];
  });
}

const COMMANDS = [...TEXTS].flatMap(([page, text]) =>
  commandsIn(text).map((words) => [page, words.join(' '), words] as const),
);

it('the pages have commands to check', () => {
  expect(COMMANDS.length).toBeGreaterThan(50);
});

it.each(COMMANDS)('%s: sluice %s', (_page, _text, words) => {
  const [name, ...args] = words;
  if (name === '--version' || name === '--help') return;
  const verb = VERBS.find((v) => v.name === name);
  expect(verb, `the verb ${name}`).toBeDefined();
  const common = { repo: 'string', mirror: 'string', cache: 'string', now: 'string', by: 'string' } as const;
  const options = Object.fromEntries([
    ...Object.entries(common).map(([key, type]) => [key, { type }] as const),
    ...['json', 'help'].map((key) => [key, { type: 'boolean' as const }] as const),
    ...Object.entries(verb?.options ?? {}).map(
      ([key, o]) => [key, { type: o.type, multiple: o.multiple ?? false }] as const,
    ),
  ]);
  const { positionals } = parseArgs({ args, options, allowPositionals: true }); // throws on what does not exist
  if (name === 'pr' && positionals[0] !== undefined)
    expect(verb?.operands.split(/[ |]+/)).toContain(positionals[0]);
});

it('every link between the pages leads to a file', () => {
  const dead = PAGES.flatMap((page) =>
    [...(TEXTS.get(page) ?? '').matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map(([, target = '']) => join(ROOT, dirname(page), target))
      .filter((path) => !existsSync(path)),
  );
  expect(dead).toEqual([]);
});

it('every verb is on some page', () => {
  const named = new Set(COMMANDS.map(([, , words]) => words[0]));
  expect(VERBS.map((v) => v.name).filter((name) => !named.has(name))).toEqual([]);
});
