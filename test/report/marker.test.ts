import { assert, property, record, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  commentMarker,
  type Marker,
  parseMarker,
  renderMarker,
  withMarker,
  withoutMarker,
} from '../../src/report/marker.ts';

const MARKER: Marker = {
  id: 'promote/infra/stable/rocky-9-x86_64',
  plan: `sha256:${'9be1'.repeat(16)}`,
  base: '4f0c1ab2'.repeat(5),
  head: '0123abcd'.repeat(5),
};
const LINE = renderMarker(MARKER);
const encoded = (data: unknown) =>
  `<!-- sluice:v1 ${Buffer.from(typeof data === 'string' ? data : JSON.stringify(data)).toString('base64url')} -->`;

it('a marker says to the next run what the last one wrote', () => {
  expect(LINE).toMatch(/^<!-- sluice:v1 [A-Za-z0-9_-]+ -->$/);
  expect(parseMarker(withMarker('> body\n', MARKER))).toEqual(MARKER);
  expect(parseMarker(`> body\r\n\r\n${LINE}\r\n`)).toEqual(MARKER);
});

it('what people write below it stays when the bot writes its text anew, and no twin grows', () => {
  const edited = `${withMarker('old', MARKER)}\nLooked at on web-3: fine.\n`;
  const next = { ...MARKER, head: 'f'.repeat(40) };
  const text = withMarker('new', next, edited);
  expect(text).toBe(`new\n\n${renderMarker(next)}\n\nLooked at on web-3: fine.\n`);
  expect(withMarker('new', next, text)).toBe(text);
  expect(withoutMarker(text)).toBe('new\n');
});

it('notes for which there is no room end where they must, once, and say so', () => {
  const notes = `Mine.\n${'a long log line 💥\n'.repeat(4_000)}`;
  const before = `${withMarker('old', MARKER)}\n${notes}`;
  for (const words of ['w'.repeat(60_000), 'w'.repeat(30_000)]) {
    const text = withMarker(words, MARKER, before);
    expect(text.length).toBeLessThanOrEqual(65_536);
    expect(text.length).toBeGreaterThan(65_400);
    expect(text).toMatch(/\n\nMine\.\n.*line 💥\n\n_The rest of these notes had no room here.*_\n$/s);
    expect(withMarker(words, MARKER, text)).toBe(text);
    const shorter = withMarker(`${words}${'w'.repeat(2_000)}`, MARKER, text);
    expect(shorter.match(/had no room here/g)).toHaveLength(1);
    expect(shorter.length).toBeLessThanOrEqual(65_536);
  }
  const oneLine = withMarker('new', MARKER, `${withMarker('old', MARKER)}\n${'💥'.repeat(40_000)}`);
  expect([oneLine.length <= 65_536, oneLine.isWellFormed()]).toEqual([true, true]);
});

describe('hostile input is no marker', () => {
  const { id, plan, base, head } = MARKER;
  it.each([
    ['none', '> body'],
    ['two of them, whichever is ours', `${LINE}\n\n${LINE}`],
    ['one and the beginning of another one', `${LINE}\n<!--sluice:v1`],
    ['in the middle of a line, as in a quoted text', `> ${LINE}`],
    ['escaped, as foreign text is', LINE.replace('<', '&lt;')],
    ['another key', encoded({ id, plan, base, head, merge: 'yes' })],
    ['a key less', encoded({ id, plan, base })],
    ['keys in another order: not written by us', encoded({ plan, id, base, head })],
    ['a prototype', encoded(`{"__proto__":{"id":"x"},"id":"a","plan":"b","base":"c"}`)],
    ['an array', encoded([id, plan, base, head])],
    ['null', encoded('null')],
    ['no JSON', encoded('{')],
    ['an option where the base should be', encoded({ id, plan, base: '--upload-pack=touch /tmp/x', head })],
    ['a number', encoded({ id, plan, base, head: 7 })],
    ['a path upwards that begins with a dot', encoded({ id: '../x', plan, base, head })],
    ['base64 with padding', LINE.replace(' -->', '= -->')],
    ['base64 that has spare bits', LINE.replace(/.( -->)$/, '_$1')],
    ['100,000 characters', encoded({ id, plan, base, head: 'a'.repeat(100_000) })],
    ['another version', LINE.replace('v1', 'v2')],
  ])('%s', (_what, body) => {
    expect(parseMarker(body)).toBeUndefined();
  });

  it('any text at all', () => {
    const text = string({ maxLength: 50 });
    assert(property(string({ maxLength: 200 }), (text) => parseMarker(text) === undefined));
    assert(
      property(record({ id: text, plan: text, base: text, head: text }), (data) => {
        expect(parseMarker(encoded(data))).toBeUndefined();
      }),
    );
  });
});

it('only values that can be read again are written', () => {
  expect(() => renderMarker({ ...MARKER, id: 'a --> <b>' })).toThrow(TypeError);
  expect(() => renderMarker({ ...MARKER, plan: '' })).toThrow(TypeError);
  expect(commentMarker('edited')).toBe('<!-- sluice:comment edited -->');
  expect(() => commentMarker('a --> b')).toThrow(TypeError);
});
