import { readModules, writeModules } from '../../src/repodata/modules.ts';
import { defaults, type ServedRepository, served, stream } from '../fixtures/clientSets.ts';
import { chooser, type Next } from '../fixtures/versions.ts';

const MODULES = ['a', 'b', 'c', 'd', 'e'];

/** One or two repositories whose modules need, exclude and list each other at random; far worse than any distribution. */
export function randomModules(seed: number): ServedRepository[] {
  const next = chooser(seed);
  const modules = MODULES.slice(0, 2 + next(4));
  return Array.from({ length: next(3) === 0 ? 2 : 1 }, (_, r) => ({
    ...served(
      `r${r}`,
      modules.flatMap((name) => buildsOf(name, modules, next)),
    ),
    modules: documentsOf(modules, next),
    moduleHotfixes: r === 1 && next(4) === 0,
  }));
}

function buildsOf(name: string, modules: readonly string[], next: Next): string[] {
  const provides = () => (next(3) === 0 ? ` provides ${oneOf(modules, next)}` : '');
  const binary = [1, 2, 3, 4].map((version) => `${name}-${version}-1.x86_64${provides()}`);
  return [...binary, `${name}-2-1.noarch`, `${name}-3-1.src`];
}

/** In the order in which they are published. */
function documentsOf(modules: readonly string[], next: Next) {
  const streams = new Map<string, string>();
  const others: string[] = [];
  for (const name of modules) {
    const count = 1 + next(3);
    for (let n = 0; n < count * 2; n += 1) {
      const text = streamOf(name, 1 + (n % count), modules, next);
      const [document] = readModules(Buffer.from(text), name);
      if (next(3) > 0 && document?.nsvca) streams.set(document.nsvca, text);
    }
    if (next(3) > 0) others.push(defaults(`${name}:${1 + next(count)}`, next(3)));
  }
  const ordered = [...streams].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  return readModules(writeModules(readModules(Buffer.from([...ordered, ...others].join('')), 'x')), 'x');
}

function streamOf(name: string, number: number, modules: readonly string[], next: Next): string {
  const artifact = (): string => {
    const of = next(4) ? name : oneOf(modules, next);
    return `${of}-0:${1 + next(4)}-1.${oneOf(['x86_64', 'x86_64', 'x86_64', 'noarch', 'src'], next)}`;
  };
  const needed = Array.from({ length: next(3) }, () => oneOf(modules, next)).filter(
    (other) => other !== name,
  );
  const requires = [...new Set(needed)].map((other) => {
    const sign = next(8) === 0 ? '-' : '';
    const wanted = Array.from({ length: next(3) }, () => `"${sign}${1 + next(3)}"`);
    return `, ${other}: [${[...new Set(wanted)].join(', ')}]`;
  });
  return stream(`${name}:${number}`, [...new Set([artifact(), artifact()])], {
    version: 1 + next(3),
    context: oneOf(['aa', 'bb', 'cc'], next),
    fixed: next(3) === 0,
    requires: `platform: [el9]${requires.join('')}`,
    ...(next(6) === 0 ? { demodularized: oneOf(modules, next) } : {}),
  });
}

function oneOf(words: readonly string[], next: Next): string {
  return words[next(words.length)] as string;
}
