// Pages of lists: what `page` and `per_page` mean and the headers that lead from page to page (reference access-tokens 3.3). The
// links repeat the query, and no URL that we make carries a secret.
import { isTree, Repeated, readPairs, type Tree } from '../http/nested-params.ts';
import { isSecretName } from '../http/url-log.ts';
import type { Page } from './route.ts';

export const DEFAULT_PER_PAGE = 20;
export const MAX_PER_PAGE = 100;
/** Above this many rows the totals are not told. */
const TOTAL_LIMIT = 10_000;
const MAX_PAGE = 2 ** 31;

/** The page of a list that does not say. */
export const FIRST_PAGE: Page = { page: 1, perPage: DEFAULT_PER_PAGE, offset: 0 };

/** Reads `page` and `per_page`; what is wrong goes to `texts`. More than 100 counts as 100. */
export function readPage(tree: Tree, texts: string[]): Page {
  const page = readCount(tree, 'page', 1, texts);
  const perPage = Math.min(readCount(tree, 'per_page', DEFAULT_PER_PAGE, texts), MAX_PER_PAGE);
  return { page, perPage, offset: (page - 1) * perPage };
}

function readCount(tree: Tree, name: string, usual: number, texts: string[]): number {
  const raw = tree[name] instanceof Repeated ? tree[name].values.at(-1) : tree[name];
  if (raw === undefined || raw === null || raw === '') return usual;
  const value = typeof raw === 'number' || (typeof raw === 'string' && /^-?\d{1,16}$/.test(raw)) ? Number(raw) : NaN;
  if (!Number.isInteger(value) || value > MAX_PAGE || isTree(raw)) texts.push(`${name} is invalid`);
  else if (value < 1) texts.push(`${name} does not have a valid value`);
  else return value;
  return usual;
}

/** The headers of one page of a list of `total` rows; `url` is the list's own address without a query, `query` as it came. */
export function pageHeaders(page: Page, total: number, url: string, query: string): Record<string, string> {
  const pages = Math.max(1, Math.ceil(total / page.perPage));
  const previous = page.page > 1 ? Math.min(page.page - 1, pages) : null;
  const next = page.page < pages ? page.page + 1 : null;
  const countable = total <= TOTAL_LIMIT;
  const link = (rel: string, to: number): string =>
    `<${pageUrl(url, query, { page: String(to), per_page: String(page.perPage) })}>; rel="${rel}"`;
  const links = [
    ...(previous === null ? [] : [link('prev', previous)]),
    ...(next === null ? [] : [link('next', next)]),
    link('first', 1),
    ...(countable ? [link('last', pages)] : []),
  ];
  return {
    'x-page': String(page.page),
    'x-per-page': String(page.perPage),
    'x-next-page': next === null ? '' : String(next),
    'x-prev-page': previous === null ? '' : String(previous),
    ...(countable ? { 'x-total': String(total), 'x-total-pages': String(pages) } : {}),
    link: links.join(', '),
  };
}

/** The headers of one page of a keyset list: only the way to the next one. */
export function keysetHeaders(
  next: Readonly<Record<string, string>> | null,
  url: string,
  query: string,
): Record<string, string> {
  return next === null ? {} : { link: `<${pageUrl(url, query, next)}>; rel="next"` };
}

/** The address with the query repeated, except for credentials, and `changes` in place of what they name. */
export function pageUrl(url: string, query: string, changes: Readonly<Record<string, string>>): string {
  const kept = new URLSearchParams();
  for (const [name, value] of readPairs(query) ?? [])
    if (!isSecretName(name) && !Object.hasOwn(changes, name)) kept.append(name, value);
  for (const [name, value] of Object.entries(changes)) kept.append(name, value);
  const text = kept.toString();
  return text === '' ? url : `${url}?${text}`;
}
