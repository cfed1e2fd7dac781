import { expect, it } from 'vitest';
import type { Check } from '../../src/forge/check.ts';
import { git } from '../fixtures/gitHistory.ts';
import { draftOf, LATER, NOW, PATH, pins } from '../fixtures/localForge.ts';
import { type ForgeHost, push } from './contract.ts';

export function listening(start: () => Promise<ForgeHost>): void {
  it('hears what people say, whose own words it knows by their keys, and is told by one run only to act on it', async () => {
    const { forge, person, by } = await start();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    const since = new Date(Math.min(NOW.getTime(), Date.now()) - 60_000);
    await person.comment(number, { by, now: NOW, text: '/sluice rebuild' });
    const own = async () => (await forge.saidSince(since)).filter(({ on }) => on === number);
    const [said, more] = await own();
    expect(more).toBeUndefined();
    if (!said) throw new Error('nothing was heard');
    expect(said).toMatchObject({ text: '/sluice rebuild', key: undefined, isBot: false, isEdited: false });
    expect(said.owner.replace(/^@/, '')).toBe(by);
    expect(await forge.mayWrite(said.by)).toBe(true);
    expect(await forge.takeUp(said, { now: new Date() })).toBe('mine');
    for (const text of ['done', 'done after all']) {
      await forge.comment(number, { by: 'sluice', now: LATER, text, key: `command-${said.id}` });
    }
    const answers = (await own()).filter(({ key }) => key === `command-${said.id}`);
    expect(answers).toHaveLength(1);
    expect(answers[0]?.text).toContain('done after all');
    expect(await forge.saidSince(new Date(Date.now() + 86_400_000 * 365 * 100))).toEqual([]);
  });

  it('says of each that is open what it conflicts in', async () => {
    const { forge, person, by } = await start();
    const base = await forge.tip();
    const one = await forge.propose(await draftOf(forge), { now: NOW });
    const files = new Map([[PATH, pins({ 0: '1-4' })]]);
    const two = await forge.propose(await draftOf(forge, { branch: 'sluice/y', files, base }), { now: NOW });
    await person.approve(two.number, { by, now: LATER });
    await person.merge(one.number, { by, now: LATER });
    const { open } = await forge.standing();
    const own = open.find(({ pull }) => pull.number === two.number);
    expect(own?.conflicts).toEqual([PATH]);
    expect(own?.pull.approvals).toHaveLength(1);
  });

  it('what somebody asked for goes past an approval, and not past what people changed', async () => {
    const { forge, person, by, clone } = await start();
    const plan = (to: string) => draftOf(forge, { isPlan: true, files: new Map([[PATH, pins({ 0: to })]]) });
    const { number } = await forge.propose(await plan('1-2'), { now: NOW });
    const now = new Date(Math.max(LATER.getTime(), Date.now()));
    await person.approve(number, { by, now });
    expect(await forge.propose(await plan('1-3'), { now })).toMatchObject({ outcome: 'frozen' });
    expect(await forge.propose(await plan('1-3'), { now, asked: true })).toMatchObject({
      outcome: 'updated',
    });
    const { branch } = await forge.get(number);
    git(clone, 'fetch', '-q', 'origin');
    git(clone, 'checkout', '-q', '-b', 'on-top', `origin/${branch}`);
    push(clone, branch, 'README', 'a person’s words\n');
    expect(await forge.propose(await plan('1-4'), { now, asked: true })).toMatchObject({ outcome: 'edited' });
    expect(await forge.propose(await plan('1-4'), { now, rebuild: true })).toMatchObject({
      outcome: 'updated',
    });
  });
}

export function checking(start: () => Promise<ForgeHost>): void {
  const annotation = (line: number) => ({
    ...{ path: PATH, start_line: line, end_line: line, annotation_level: 'failure' as const },
    ...{ title: 'POOL_MISSING', message: `line ${line}` },
  });
  const batched = (n: number) => {
    const all = Array.from({ length: n }, (_, i) => annotation(i + 1));
    return [0, 50, 100].map((at) => all.slice(at, at + 50)).filter((batch) => batch.length > 0);
  };

  it('says of a head what a check found; the same twice is written once, other words replace it', async () => {
    const { forge, written, checksOf } = await start();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    const { head } = await forge.get(number);
    const red: Check = {
      ...{
        name: 'sluice/mirror',
        head,
        state: 'failure',
        title: 'no [skip ci] here',
        url: 'https://m.example/pr/1/',
      },
      ...{ summary: 'one\n\ntwo', text: 'x'.repeat(65_535), annotations: batched(120) },
    };
    const o = { by: 'sluice', now: NOW };
    expect(await forge.setCheck(number, red, o)).toBe(true);
    const [seen, ...others] = await checksOf(number, head);
    expect(others).toEqual([]);
    expect(seen).toMatchObject({ name: 'sluice/mirror', state: 'failure', title: 'no [skip ci] here' });
    if (seen && 'annotations' in seen) expect(seen.annotations).toBe(120);
    const before = await written();
    expect(await forge.setCheck(number, red, { ...o, now: LATER })).toBe(false);
    expect(await written()).toBe(before);
    const green: Check = { ...red, state: 'success', title: 'All is here', text: '', annotations: [] };
    expect(await forge.setCheck(number, green, { ...o, now: LATER })).toBe(true);
    expect(await checksOf(number, head)).toEqual([
      expect.objectContaining({ state: 'success', title: 'All is here' }),
    ]);
    expect(await forge.setCheck(number, red, { ...o, now: LATER })).toBe(true);
    expect((await checksOf(number, head)).map(({ state }) => state)).toEqual(['failure']);
    expect(await forge.setCheck(number, { ...red, state: 'pending' }, { ...o, now: LATER })).toBe(true);
    expect((await checksOf(number, head)).map(({ state }) => state)).toEqual(['pending']);
  });

  it('a title that is no line is refused before anything is written', async () => {
    const { forge, written } = await start();
    const { number } = await forge.propose(await draftOf(forge), { now: NOW });
    const { head } = await forge.get(number);
    const before = await written();
    const wrong: Check = {
      ...{
        name: 'sluice/mirror',
        head,
        state: 'success',
        title: 'a\nb',
        summary: '',
        text: '',
        annotations: [],
      },
    };
    await expect(forge.setCheck(number, wrong, { by: 'sluice', now: NOW })).rejects.toMatchObject({
      code: 'MALFORMED',
    });
    expect(await written()).toBe(before);
  });
}
