import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const folder = new URL('../../src/manifest/schemas/', import.meta.url);
const names = readdirSync(folder);
const read = (name: string): object => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as object;

interface Node {
  readonly type?: unknown;
  readonly properties?: Record<string, Node>;
  readonly additionalProperties?: unknown;
  readonly title?: unknown;
  readonly $ref?: string;
}

function* nodes(node: unknown, path: string): Generator<[path: string, node: Node]> {
  if (typeof node !== 'object' || node === null) return;
  if (!Array.isArray(node)) yield [path, node as Node];
  for (const [key, child] of Object.entries(node)) yield* nodes(child, `${path}/${key}`);
}

describe('the schemas that editors use too', () => {
  it('are one for each kind of file', () => {
    expect(names.sort()).toEqual([
      'errata-fix.schema.json',
      'errata-init.schema.json',
      'errata-policy.schema.json',
      'errata.schema.json',
      'lockstep.schema.json',
      'recall.schema.json',
      'site.schema.json',
      'snapshot.schema.json',
      'team.schema.json',
      'upstream.schema.json',
    ]);
  });

  it.each(names)('%s is closed: every map says what else it takes', (name) => {
    const open = [...nodes(read(name), '')]
      .filter(([, node]) => [node.type].flat().includes('object') && node.additionalProperties === undefined)
      .map(([path]) => path);
    expect(open).toEqual([]);
    const maps = [...nodes(read(name), '')].filter(
      ([, node]) => node.properties && node.additionalProperties !== false,
    );
    expect(maps.map(([path]) => path).filter((path) => !path.endsWith('/properties'))).toEqual([]);
  });

  it.each(names)('%s says of every value in words what it must be', (name) => {
    const silent = [...nodes(read(name), '')]
      .filter(
        ([path, node]) =>
          /\/(properties|definitions)\/[^/]+$|\/items$|\/additionalProperties$/.test(path) && !node.$ref,
      )
      .filter(([path]) => !path.endsWith('/properties/properties'))
      .filter(([, node]) => typeof node.title !== 'string')
      .map(([path]) => path);
    expect(silent).toEqual([]);
  });

  it.each([
    ['team.schema.json', 'keep: 2, wait: { seen: 2d }, auto: true', true],
    ['team.schema.json', 'keep: 0', false],
    ['team.schema.json', 'keep: 1.5', false],
    ['team.schema.json', 'auto: maybe', false],
  ])('%s takes numbers and switches as an editor reads them: %s', (name, tier, good) => {
    const text = `{ apiVersion: sluice/v1, kind: Team, team: infra, repositories: [a-1-b-c], tiers: { t: { from: live, ${tier} } } }`;
    const valid = new Ajv({ strict: true, allowUnionTypes: true }).compile(read(name));
    expect(valid(parse(text))).toBe(good); // YAML 1.2's core schema, as yaml-language-server has it
  });

  it.each(names)('%s is what the schema of schemas takes', (name) => {
    const ajv = new Ajv({ strict: true, allErrors: true, allowUnionTypes: true, strictRequired: true });
    expect([ajv.validateSchema(read(name)), ajv.errors]).toEqual([true, null]);
    expect(ajv.validateSchema({ ...read(name), properties: 1 })).toBe(false);
  });

  it('snapshot.schema.json refuses a version that an editor reads as a number', () => {
    const valid = new Ajv({ strict: true, allowUnionTypes: true }).compile(read('snapshot.schema.json'));
    const snapshot = (evr: string) =>
      parse(
        `{ apiVersion: sluice/v1, kind: Snapshot, repository: a-b-c-1-d-e, from: a-x-c-1-d-e, packages: { p.noarch: ${evr} } }`,
      ) as unknown;
    expect(valid(snapshot('"2.10-1"'))).toBe(true);
    expect(valid(snapshot('2.10'))).toBe(false);
  });
});
