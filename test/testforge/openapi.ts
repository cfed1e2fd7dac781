import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';

/** What the test forge keeps to: a part of GitHub's own description (scripts/github-openapi.ts cuts it out). */
export interface Operation {
  readonly id: string;
  readonly method: string;
  /** As the description writes it: `/repos/{owner}/{repo}/git/ref/{ref}`. */
  readonly route: string;
  readonly params: Readonly<Record<string, string>>;
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: { readonly type?: string };
}
interface Content {
  readonly content?: Readonly<Record<string, { readonly schema?: { readonly $ref?: string } }>>;
}
interface Described {
  readonly operationId: string;
  readonly parameters?: readonly (Parameter | { readonly $ref: string })[];
  readonly requestBody?: Content & { readonly required?: boolean };
  readonly responses: Readonly<Record<string, Content | { readonly $ref: string }>>;
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * Statuses that any route may answer and that the description leaves out of most: "Troubleshooting the REST API" and
 * "Rate limits for the REST API" (docs.github.com/rest/using-the-rest-api), and what a load balancer says.
 */
const EVERYWHERE: ReadonlySet<number> = new Set([401, 403, 404, 422, 429, 500, 502, 503]);
/** `{ref}`, `{path}` and the like may hold slashes, written as they are or as %2F. */
const LONG_PARAMS: ReadonlySet<string> = new Set(['ref', 'path', 'branch', 'basehead']);

const FILE = fileURLToPath(new URL('../fixtures/github/openapi.json', import.meta.url));

export class OpenApi {
  readonly #description: Description;
  readonly #ajv: Ajv;
  readonly #routes: { readonly pattern: RegExp; readonly names: string[]; readonly route: string }[];
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor() {
    this.#description = JSON.parse(readFileSync(FILE, 'utf8')) as Description;
    this.#ajv = new Ajv({
      strict: false,
      allErrors: true,
      validateSchema: false,
      inlineRefs: false,
      code: { optimize: false },
    });
    this.#ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/);
    this.#ajv.addFormat('uri', /^[a-z][a-z0-9+.-]*:[^\s<>"\\^`]*$/i); // templates in {braces} are among them
    this.#ajv.addFormat('email', /^[^\s@]+@[^\s@]+$/);
    for (const name of ['int64', 'repo.nwo']) this.#ajv.addFormat(name, true);
    this.#ajv.addSchema({ $id: 'github', ...this.#description });
    this.#routes = Object.keys(this.#description.paths)
      .map((route) => {
        const names = [...route.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
        const pattern = route
          .replace(/[.]/g, '\\.')
          .replace(/\{(\w+)\}/g, (_, name: string) => (LONG_PARAMS.has(name) ? '(.+)' : '([^/]+)'));
        return { route, names, pattern: new RegExp(`^${pattern}$`) };
      })
      // `/commits/{ref}/check-runs` before `/commits/{ref}`, `/issues/comments` before `/issues/{issue_number}`
      .sort((a, b) => literal(b.route) - literal(a.route));
  }

  /** `undefined`: the description has no such route. */
  find(method: string, path: string): Operation | undefined {
    for (const { route, names, pattern } of this.#routes) {
      const match = pattern.exec(path);
      const described = match && this.#description.paths[route]?.[method.toLowerCase()];
      if (!match || !described) continue;
      const params = Object.fromEntries(
        names.map((name, i) => [name, decodeURIComponent(match[i + 1] ?? '')]),
      );
      return { id: described.operationId, method, route, params };
    }
    return undefined;
  }

  /** What is wrong with a request: undeclared properties too, since GitHub ignores them without a word. */
  wrongRequest(operation: Operation, query: URLSearchParams, body: unknown): string[] {
    const described = this.#described(operation);
    const wrong: string[] = [];
    const parameters = (described.parameters ?? []).map((p) => this.#resolve<Parameter>(p));
    const known = new Map(parameters.filter((p) => p.in === 'query').map((p) => [p.name, p]));
    for (const name of query.keys()) if (!known.has(name)) wrong.push(`undeclared query parameter ${name}`);
    for (const parameter of parameters) {
      const text = parameter.in === 'query' ? query.get(parameter.name) : operation.params[parameter.name];
      if (parameter.in === 'header') continue;
      if (text === null || text === undefined) {
        if (parameter.required) wrong.push(`missing parameter ${parameter.name}`);
        continue;
      }
      const number = parameter.schema.type === 'integer' && /^\d+$/.test(text);
      const value = number ? Number(text) : parameter.schema.type === 'boolean' ? text === 'true' : text;
      wrong.push(...this.#check(`parameter ${parameter.name}`, parameter.schema, value));
    }
    const pointer = contentPointer(described.requestBody);
    if (pointer === undefined) {
      if (body !== undefined) wrong.push('a body where none is declared');
    } else if (body !== undefined) {
      const at = `${this.#pointer(operation)}/requestBody/${pointer}`;
      wrong.push(...this.#check('body', at, body), ...this.#undeclared('body', at, body));
    } else if (described.requestBody?.required) {
      wrong.push('no body');
    }
    return wrong;
  }

  wrongResponse(operation: Operation, status: number, body: unknown): string[] {
    const where = `${status}`;
    if (status === 304 && operation.method === 'GET') return []; // "Best practices …": conditional requests
    const raw = this.#described(operation).responses[where];
    const declared = raw && this.#resolve<Content>(raw);
    const pointer = contentPointer(declared);
    if (raw !== undefined && (pointer !== undefined || body === undefined)) {
      if (body === undefined) return pointer === undefined ? [] : [`${where} without a body`];
      const at = '$ref' in raw ? `github${raw.$ref}` : `${this.#pointer(operation)}/responses/${where}`;
      return [
        ...this.#check(where, `${at}/${pointer}`, body),
        ...this.#undeclared(where, `${at}/${pointer}`, body),
      ];
    }
    if (!EVERYWHERE.has(status)) return [`undeclared status ${where}`];
    const schema = status === 422 ? 'validation-error' : 'basic-error';
    return this.#check(where, `github#/components/schemas/${schema}`, body);
  }

  #described({ route, method }: Operation): Described {
    const described = this.#description.paths[route]?.[method.toLowerCase()];
    if (!described) throw new Error(`no operation ${method} ${route}`);
    return described;
  }

  #pointer({ route, method }: Operation): string {
    const part = encodeURIComponent(route.replaceAll('~', '~0').replaceAll('/', '~1'));
    return `github#/paths/${part}/${method.toLowerCase()}`;
  }

  #check(what: string, schema: string | object, value: unknown): string[] {
    const key = typeof schema === 'string' ? schema : JSON.stringify(schema);
    let validate = this.#compiled.get(key);
    if (!validate) {
      const text = JSON.stringify(typeof schema === 'string' ? { $ref: schema } : schema);
      validate = this.#ajv.compile(JSON.parse(text.replaceAll('"$ref":"#/', '"$ref":"github#/')));
      this.#compiled.set(key, validate);
    }
    if (validate(value)) return [];
    return (validate.errors ?? []).map((e) => `${what}${e.instancePath} ${e.message} (${e.schemaPath})`);
  }

  /** Properties that a plain object schema does not list. */
  #undeclared(what: string, pointer: string, value: unknown): string[] {
    let schema = this.#at(pointer);
    while (typeof schema?.['$ref'] === 'string') schema = this.#at(`github${schema['$ref']}`);
    const properties = schema?.['properties'];
    const open = schema?.['additionalProperties'] || ['oneOf', 'anyOf', 'allOf'].some((k) => schema?.[k]);
    if (open || !isObject(properties) || !isObject(value)) return [];
    return Object.keys(value)
      .filter((key) => !(key in properties))
      .map((key) => `${what}: undeclared property ${key}`);
  }

  #at(pointer: string): Record<string, unknown> | undefined {
    let at: unknown = this.#description;
    for (const part of pointer.replace(/^github#\//, '').split('/')) {
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      at = isObject(at) ? at[key] : undefined;
    }
    return isObject(at) ? at : undefined;
  }

  #resolve<T>(value: T | { readonly $ref: string }): T {
    const ref = isObject(value) ? value['$ref'] : undefined;
    return typeof ref === 'string' ? (this.#at(`github${ref}`) as T) : (value as T);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function contentPointer(of: Content | undefined): string | undefined {
  const type = Object.entries(of?.content ?? {}).find(([, { schema }]) => schema !== undefined)?.[0];
  return type && `content/${encodeURIComponent(type.replaceAll('/', '~1'))}/schema`;
}

function literal(route: string): number {
  return route.split('/').reduce((sum, part) => sum * 2 + (part.startsWith('{') ? 0 : 1), 1);
}
