import type { Answer } from './call.ts';

/** "Using pagination in the REST API": 30 a page, 100 at most, `Link` where there is more. */
export async function page(answer: Answer, url: URL, api: string): Promise<Answer> {
  const { list, each, wrap, ...rest } = answer;
  if (list === undefined) return answer;
  const size = Math.min(100, Number(url.searchParams.get('per_page') ?? 30) || 30);
  const number = Math.max(1, Number(url.searchParams.get('page') ?? 1) || 1);
  const last = Math.max(1, Math.ceil(list.length / size));
  const part = list.slice((number - 1) * size, number * size);
  const items = await Promise.all(part.map((item) => (each ? each(item as never) : item)));
  const link = (to: number, rel: string): string => {
    const target = new URL(url.pathname + url.search, api);
    target.searchParams.set('page', String(to));
    return `<${target.href}>; rel="${rel}"`;
  };
  const links = [
    ...(number > 1 ? [link(number - 1, 'prev'), link(1, 'first')] : []),
    ...(number < last ? [link(number + 1, 'next'), link(last, 'last')] : []),
  ];
  const body = wrap === undefined ? items : { total_count: list.length, [wrap]: items };
  return {
    ...rest,
    body,
    headers: { ...rest.headers, ...(links.length > 0 ? { link: links.join(', ') } : {}) },
  };
}
