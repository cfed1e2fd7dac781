import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/types.ts';
import { body } from '../../src/report/body.ts';
import { dashboard } from '../../src/report/dashboard.ts';
import { digest } from '../../src/report/digest.ts';
import { code, link, markdown, name } from '../../src/report/safe.ts';
import { oracle } from '../fixtures/oracle.ts';
import { HOSTILE, hostile, small, upstream } from '../report/bodies.ts';
import { busy } from '../report/dashboards.ts';
import { FROM, GITHUB, wave } from '../report/plans.ts';

const here = oracle('cmark-gfm');

/** GitHub's own parser, with its extensions, raw HTML let through: what is in here is what a browser would get before the sanitizer. */
function html(text: string): string {
  const extensions = ['table', 'autolink', 'strikethrough', 'tasklist'].flatMap((one) => ['-e', one]);
  return execFileSync('cmark-gfm', ['--unsafe', ...extensions], {
    input: text,
    maxBuffer: 64 << 20,
  }).toString();
}

const OURS =
  /^<\/?(?:p|h3|table|thead|tbody|tr|t[hd]|blockquote|strong|code|pre|ul|li|details|summary|sub|br)(?: class="language-(?:diff|text)")?(?: \/)?>$/;

/** Elements that are none of ours, links by their address. */
function foreign(page: string): string[] {
  const tags = page.match(/<[^>]*>/g) ?? [];
  return tags.filter((tag) => !OURS.test(tag) && tag !== '</a>');
}

describe.skipIf(!here)('what GitHub makes of a body', () => {
  it.each([
    ['small', small()],
    ['upstream', upstream()],
    ['500', wave(500, { eyes: 12 })],
    ['4,000', wave(4_000, { eyes: 80 })],
    ['hostile', hostile()],
  ] as const)('%s: our elements and nothing else, every row a row', (_name, plan: Plan) => {
    const page = html(body(plan, FROM, GITHUB));
    const rest = foreign(page).filter(
      (tag) => !/^<a href="https:\/\/(?:errata\.example|redirect\.github\.com)\//.test(tag),
    );
    expect(rest).toEqual(['<input type="checkbox" disabled="" />', '<!-- sluice:rebuild -->']);
    for (const tag of ['details', 'table', 'blockquote', 'summary']) {
      expect(page.split(`<${tag}>`).length).toBe(page.split(`</${tag}>`).length);
    }
    const eyes = page.split('<h3>Needs attention</h3>')[1]?.split('<h3>')[0] ?? '';
    expect(eyes.split('<tr>').length - 2).toBe(digest(plan).attention.length || -1);
    expect(page).not.toMatch(/<p>\||<del>/); // a row that is none, a version that is struck out
  });

  it('a dashboard', () => {
    const page = html(dashboard(busy(), GITHUB));
    const rest = new Set(
      foreign(page).map((tag) => tag.replace(/(?<=sluice:promote) .*(?= -->)/, ' …').replace(/\d+/, 'N')),
    );
    expect([...rest].sort()).toEqual([
      '<!-- sluice:again N -->',
      '<!-- sluice:discard N -->',
      '<!-- sluice:promote … -->',
      '<!-- sluice:rebuild N -->',
      '<!-- sluice:sync -->',
      '<input type="checkbox" disabled="" />',
    ]);
  });

  it.each(HOSTILE.map((text) => [text.slice(0, 40), text]))(
    '%j stays words: in a line, a cell, a link, a code span',
    (_short, text) => {
      const page = html(
        [
          markdown(text),
          `| a |\n|---|\n| ${markdown(text)} |\n| ${code(text)} |\n| ${link(text, 'javascript:x')} |`,
          `- ${markdown(text)}`,
          `| a |\n|---|\n| ${name('a-1.0~rc1')} → ${name('a-1.0~rc2')} |`,
        ].join('\n\n'),
      );
      expect(foreign(page)).toEqual([]);
      expect(page.match(/<tr>/g)).toHaveLength(6);
      const words = page.replace(/<code>[^<]*<\/code>/g, '').replace(/<[^>]*>/g, '');
      expect(words).not.toMatch(/@\w|#\d|GH-\d|https?:|www\.|[0-9a-f]{40}|\$[^&]*\$$/i);
    },
  );
});
