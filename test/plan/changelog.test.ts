import { describe, expect, it } from 'vitest';
import { changelogNews } from '../../src/plan/changelog.ts';
import { changelogOf } from '../../src/repodata/other.ts';

const NOON = 1_767_268_800;
const entry = (day: number, text: string, author = 'A &lt;a@example.org&gt; - 1-1') =>
  `<changelog author="${author}" date="${NOON + day * 86_400}">${text}</changelog>`;
const element = (...entries: string[]) =>
  Buffer.from(
    `<package pkgid="${'a'.repeat(64)}" name="a" arch="x86_64"><version epoch="0" ver="1" rel="1"/>${entries.join('')}</package>`,
  );
const of = (...entries: string[]) => changelogOf(element(...entries));

describe('what a changelog says between two builds', () => {
  const old = of(entry(1, '- First'), entry(2, '- Second'));

  it.each([
    [
      'newest last, as createrepo_c writes it',
      of(entry(2, '- Second'), entry(3, '- Third'), entry(4, '- Fourth\n- and more')),
    ],
    ['newest first', of(entry(4, '- Fourth\n- and more'), entry(3, '- Third'), entry(2, '- Second'))],
  ])('%s', (_what, after) => {
    expect(changelogNews(old, after)).toEqual({ first: 'Fourth', entries: 2, complete: true });
  });

  it('of a rebuild with nothing new: nothing', () => {
    expect(changelogNews(old, of(entry(1, '- First'), entry(2, '- Second')))).toBeUndefined();
    expect(changelogNews(old, [])).toBeUndefined();
  });

  it('where all that metadata keeps is new there may be more', () => {
    expect(changelogNews(old, of(entry(8, '- Eighth')))).toEqual({
      first: 'Eighth',
      entries: 1,
      complete: false,
    });
  });

  it('an entry that was moved by seconds within its day is the same', () => {
    const moved = element(entry(2, '- Second'))
      .toString()
      .replace(String(NOON + 2 * 86_400), String(NOON + 2 * 86_400 + 3));
    expect(changelogNews(old, changelogOf(Buffer.from(moved)))).toBeUndefined();
  });

  it('an entry without words, with references and without a date', () => {
    expect(changelogNews(old, of(entry(9, ' \n---\n')))?.first).toBe('');
    expect(changelogNews(old, of(entry(9, '* a &lt;b&gt; &amp; c')))?.first).toBe('a <b> & c');
    expect(of('<changelog author="x" date="soon">- y</changelog>')).toEqual([
      { author: 'x', date: undefined, text: '- y' },
    ]);
  });
});
