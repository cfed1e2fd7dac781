import { readFileSync } from 'node:fs';

export interface Block {
  readonly section: string;
  /** Without its indentation. */
  readonly text: string;
}

/** The commands of a page, as whoever follows it types them: its indented blocks, in order. YAML and the like are not commands. */
export function blocksOf(page: string): Block[] {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  const blocks: Block[] = [];
  let section = '';
  for (const piece of text.split(/\n\n+/)) {
    section = /^#+ (.*)$/m.exec(piece)?.[1] ?? section;
    const lines = piece.split('\n').filter((line) => line !== '');
    if (lines.length > 0 && lines.every((line) => line.startsWith('    '))) {
      blocks.push({ section, text: lines.map((line) => line.slice(4)).join('\n') });
    }
  }
  return blocks;
}

/** The App's permissions, by the page's table: `| Contents | read and write | …`. */
export function permissionsOf(page: string): Record<string, 'read' | 'write'> {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  const rows = text.matchAll(/^\| ([A-Z][a-z ]+) \| (read|read and write) \|/gm);
  return Object.fromEntries(
    [...rows].map(([, name = '', level]) => [
      name.toLowerCase().replaceAll(' ', '_'),
      level === 'read' ? 'read' : 'write',
    ]),
  );
}
