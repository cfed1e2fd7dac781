import { describe, expect, it } from 'vitest';
import { box, ticked, untick } from '../../src/report/box.ts';
import { isCommand, parseCommand } from '../../src/report/command.ts';
import { fence, markdown, printed } from '../../src/report/safe.ts';

const BIDI = String.fromCodePoint(0x202e);

describe('what is a command', () => {
  it.each([
    ['/sluice rebuild'],
    ['\n\n/sluice rebuild'],
    ['/sluice rebuild\n\nOn Monday Anna wrote:\n> please'],
    ['/sluice'],
  ])('%j is one', (text) => expect(isCommand(text)).toBe(true));

  it.each([
    ['> /sluice rebuild'],
    ['```\n/sluice rebuild\n```'],
    ['    /sluice rebuild'],
    ['\t/sluice rebuild'],
    ['please:\n/sluice rebuild'],
    ['<!--\n/sluice rebuild\n-->'],
    ['`/sluice rebuild`'],
    ['/sluicerebuild'],
    ['/slüice rebuild'],
    ['\u200b/sluice rebuild'],
    [`${' '.repeat(70_000)}/sluice rebuild`],
    ['x'.repeat(70_000)],
    [''],
  ])('%j is none', (text) => expect(isCommand(text)).toBe(false));
});

describe('what a command says', () => {
  it.each([
    ['/sluice rebuild', { verb: 'rebuild' }],
    ['/sluice  drop  kernel  `harbor-db` kernel', { verb: 'drop', names: ['kernel', 'harbor-db'] }],
    [
      '/sluice promote openssl in infra/stable',
      { names: ['openssl'], where: { team: 'infra', tier: 'stable' } },
    ],
    ['/sluice explain openssl in infra', { name: 'openssl', where: { team: 'infra', tier: undefined } }],
    [
      '/sluice hold kernel* until 2027-01-31 because because is a word; until then',
      {
        patterns: ['kernel*'],
        until: '2027-01-31',
        reason: 'because is a word; until then',
        owner: undefined,
      },
    ],
    [
      '/sluice hold ^a(b|c)$ d in infra/prod owner @acme/hpc until 30d because x: #1 $(id) `id`',
      {
        patterns: ['^a(b|c)$', 'd'],
        where: { team: 'infra', tier: 'prod' },
        owner: '@acme/hpc',
        reason: 'x: #1 $(id) `id`',
      },
    ],
  ])('%s', (text, expected) => expect(parseCommand(text)).toMatchObject(expected));

  it.each([
    ['/sluice', 'no command is named'],
    ['/sluice nonsense', 'there is no command'],
    ['/sluice rebuild now', 'takes nothing'],
    ['/sluice drop', 'names no package'],
    ['/sluice drop ../../etc', 'not what a package is called'],
    ['/sluice drop a;rm', 'not what a package is called'],
    ['/sluice drop $(id)', 'not what a package is called'],
    [
      `/sluice drop ${'a '.repeat(21)}b`
        .replaceAll('a ', 'a')
        .replace('aaa', 'a b c d e f g h i j k l m n o p q r s t u '),
      'at most 20',
    ],
    ['/sluice explain a b', 'one name'],
    ['/sluice hold kernel because x', 'until when'],
    ['/sluice hold kernel until 2027-01-31', 'why'],
    ['/sluice hold until 2027-01-31 because x', 'nothing of what'],
    ['/sluice hold a until 1d until 2d because x', 'until twice'],
    ['/sluice hold a until 1 d because x', 'one word belongs after until'],
    ['/sluice promote a in infra/stable/x', 'TEAM/TIER'],
    [`/sluice drop ker${BIDI}nel`, 'nobody sees'],
    [`/sluice drop ${'a'.repeat(1_000)}`, 'at most 1000 characters'],
    ['/sluice rebuild\n/sluice split', 'several commands'],
  ])('%j is refused with what is wrong and an example', (text, message) => {
    const fault = (() => {
      try {
        return parseCommand(text);
      } catch (error) {
        return error;
      }
    })();
    expect(fault).toMatchObject({ code: 'USAGE', hint: expect.stringContaining('For example: /sluice ') });
    expect((fault as Error).message).toContain(message);
  });
});

describe('tick boxes', () => {
  const whole = box({ taskLists: true }, 'promote infra/stable rocky-9-x86_64 openssl', 'Promote openssl');
  const ticking = whole.replace('[ ]', '[x]');

  it('only ours, whole lines, ticked; and back', () => {
    expect(ticked(whole)).toEqual([]);
    expect(ticked(`a\n${ticking}\nb`)).toEqual(['promote infra/stable rocky-9-x86_64 openssl']);
    expect(untick(ticking, ['rebuild'])).toBe(ticking);
    expect(untick(ticking, ticked(ticking))).toBe(whole);
    expect(box({ taskLists: false }, 'sync', 'Look')).toBe('');
    expect(() => box({ taskLists: true }, 'sync --> x', 'Look')).toThrow(TypeError);
  });

  it.each([
    ['a summary', (text: string) => markdown(text)],
    ['a changelog in a fence', (text: string) => fence([text], 'text')],
    ['what a command printed', (text: string) => printed(text)],
  ])('%s cannot forge one, nor a marker or a command', (_, show) => {
    for (const text of [
      ticking,
      '- [x] <!-- sluice:rebuild --> Rebuild',
      '<!-- sluice:v1 abc -->',
      '/sluice split',
    ]) {
      const shown = show(text);
      expect(ticked(shown)).toEqual([]);
      expect(shown).not.toContain('<!-- sluice');
      expect(shown).not.toMatch(/^\/sluice/m);
    }
  });

  it('what is printed keeps its columns', () => {
    expect(printed('a   b\n  c\u001b[2J')).toBe('```text\na   b\n  c [2J\n```');
  });
});
