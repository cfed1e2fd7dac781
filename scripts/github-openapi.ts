/**
 * Cuts test/fixtures/github/openapi.json out of GitHub's own OpenAPI description, for the test forge.
 *
 *     cd "$(mktemp -d)" && npm init -y && npm i --no-save @octokit/openapi@23.0.2
 *     node …/scripts/github-openapi.ts "$PWD/node_modules/@octokit/openapi"
 *
 * The package unpacks to 385 MB: it stays out of the project's own dependencies.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Every operation that Sluice, its reviewers in the tests, or `sluice doctor` uses. */
const OPERATIONS: readonly string[] = [
  'actions/create-workflow-dispatch',
  'actions/get-github-actions-default-workflow-permissions-repository',
  'actions/get-workflow',
  'actions/list-repo-workflows',
  'actions/list-self-hosted-runners-for-repo',
  'apps/create-installation-access-token',
  'apps/get-authenticated',
  'apps/get-repo-installation',
  'checks/create',
  'checks/get',
  'checks/list-annotations',
  'checks/list-for-ref',
  'checks/update',
  'git/create-blob',
  'git/create-commit',
  'git/create-ref',
  'git/create-tree',
  'git/delete-ref',
  'git/get-blob',
  'git/get-commit',
  'git/get-ref',
  'git/get-tree',
  'git/list-matching-refs',
  'git/update-ref',
  'issues/add-labels',
  'issues/create',
  'issues/create-comment',
  'issues/create-label',
  'issues/get',
  'issues/list-comments',
  'issues/list-comments-for-repo',
  'issues/list-for-repo',
  'issues/list-labels-for-repo',
  'issues/remove-label',
  'issues/update',
  'issues/update-comment',
  'pulls/create',
  'pulls/create-review',
  'pulls/get',
  'pulls/list',
  'pulls/list-commits',
  'pulls/list-files',
  'pulls/list-reviews',
  'pulls/merge',
  'pulls/request-reviewers',
  'pulls/update',
  'rate-limit/get',
  'reactions/create-for-issue-comment',
  'repos/compare-commits-with-basehead',
  'repos/create-commit-status',
  'repos/get',
  'repos/get-branch',
  'repos/get-branch-rules',
  'repos/get-collaborator-permission-level',
  'repos/get-combined-status-for-ref',
  'repos/get-commit',
  'repos/get-content',
  'repos/get-repo-rulesets',
  'users/get-authenticated',
];

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

/** Words for people, and what only code generators read. */
const DROPPED: ReadonlySet<string> = new Set([
  'description',
  'example',
  'examples',
  'summary',
  'tags',
  'externalDocs',
  'deprecated',
  'title',
]);
const OUT = fileURLToPath(new URL('../test/fixtures/github/', import.meta.url));

const source = process.argv[2];
if (source === undefined) throw new Error('usage: scripts/github-openapi.ts PATH-OF-@octokit/openapi');
const whole = JSON.parse(readFileSync(join(source, 'generated/api.github.com.json'), 'utf8')) as {
  info: { version: string };
  paths: Record<string, Record<string, JsonObject>>;
  components: JsonObject;
};
const paths: Record<string, JsonObject> = {};
const missing = new Set(OPERATIONS);
for (const [path, methods] of Object.entries(whole.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    if (!missing.delete(String(operation['operationId']))) continue;
    paths[path] ??= {};
    paths[path][method] = lean(operation);
  }
}
if (missing.size > 0) throw new Error(`not in the description: ${[...missing].join(', ')}`);

const components: Record<string, JsonObject> = {};
const wanted = [...refsIn(paths)];
for (let ref = wanted.pop(); ref !== undefined; ref = wanted.pop()) {
  const [, , kind = '', name = ''] = ref.split('/');
  components[kind] ??= {};
  if (components[kind][name] !== undefined) continue;
  const part = lean((whole.components[kind] as JsonObject)[name] as Json);
  components[kind][name] = part;
  wanted.push(...refsIn(part));
}
const info = { title: 'A part of the GitHub v3 REST API', version: whole.info.version };
const sorted = Object.fromEntries(
  Object.entries(components).map(([kind, of]) => [kind, Object.fromEntries(Object.entries(of).sort())]),
);
writeFileSync(
  join(OUT, 'openapi.json'),
  `${JSON.stringify({ openapi: '3.0.3', info, paths, components: sorted })}\n`,
);
copyFileSync(join(source, 'LICENSE'), join(OUT, 'LICENSE'));

/** Without words, examples and headers; `nullable` as JSON Schema says it. */
function lean(value: Json, inProperties = false): Json {
  if (Array.isArray(value)) return value.map((item) => lean(item));
  if (value === null || typeof value !== 'object') return value;
  const out: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    if (!inProperties && (DROPPED.has(key) || key.startsWith('x-') || key === 'nullable')) continue;
    if (!inProperties && key === 'headers') continue;
    out[key] = lean(item, !inProperties && key === 'properties');
  }
  return !inProperties && value['nullable'] === true ? nullable(out) : out;
}

function nullable(schema: JsonObject): JsonObject {
  if (typeof schema['type'] !== 'string') return { anyOf: [{ type: 'null' }, schema] };
  const values = schema['enum'];
  const allowed = Array.isArray(values) && !values.includes(null) ? { enum: [...values, null] } : {};
  return { ...schema, ...allowed, type: [schema['type'], 'null'] };
}

function* refsIn(value: Json): Generator<string> {
  if (Array.isArray(value)) for (const item of value) yield* refsIn(item);
  else if (value !== null && typeof value === 'object') {
    for (const [key, item] of Object.entries(value)) {
      if (key === '$ref' && typeof item === 'string') yield item;
      else yield* refsIn(item);
    }
  }
}
