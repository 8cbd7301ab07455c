/** Fetches weights and engine once, and keeps them in the browser's cache. */

import { MissingWeights, RgoError, UnsupportedFile } from "./errors.js";

const CACHE = "regio-decode";

/** What models.json says of a model: its name, unless it is retired, and where its weights are if the page has them. */
export interface Listed {
  readonly name?: string;
  readonly file?: string;
  readonly bytes: number;
  readonly fingerprint: string;
}

/** Called while something is fetched; total is what models.json says of its size. */
export type Fetching = (done: number, total: number) => void;

/** All models that were known when the page was made, by number. pack.py writes them. */
export async function models(base: string): Promise<Record<string, Listed>> {
  const response = await ask(new URL("models.json", base), { cache: "no-cache" });
  return (await response.json()) as Record<string, Listed>;
}

export async function weightsOf(base: string, model: number, fetching?: Fetching): Promise<Uint8Array> {
  const listed = (await models(base))[model];
  if (!listed) throw new UnsupportedFile(`the file needs model ${model}, from a later release; update the decoder`);
  if (!listed.file) throw new MissingWeights(`the file needs the weights of ${listed.name ?? `model ${model}`}, which this page does not have`);
  const url = new URL(`${listed.file}?${listed.fingerprint.slice(0, 8)}`, base);
  return cached(url, { bytes: listed.bytes, fetching: (done) => fetching?.(done, listed.bytes) });
}

interface Expected {
  /** How many bytes there must be, if that is known. */
  readonly bytes?: number;
  readonly fetching?: (done: number) => void;
}

/** The bytes at an address, from the cache if they are there; older versions of them are forgotten. */
export async function cached(url: URL, { bytes, fetching }: Expected = {}): Promise<Uint8Array> {
  const store = "caches" in globalThis ? await caches.open(CACHE).catch(() => null) : null;
  const known = await store?.match(url);
  if (known) return new Uint8Array(await known.arrayBuffer());
  const response = await ask(url);
  const data = await body(response, fetching).catch(() => null);
  if (!data || (bytes !== undefined && data.length !== bytes)) {
    throw new RgoError(`${url.pathname} did not arrive whole; try again`);
  }
  for (const key of (await store?.keys()) ?? []) {
    if (new URL(key.url).pathname === url.pathname) await store?.delete(key);
  }
  await store?.put(url, new Response(data)).catch(() => undefined); // a full disk: fetched again next time
  return data;
}

async function ask(url: URL, options: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, options).catch(() => null);
  if (!response?.ok) throw new RgoError(`${url.pathname} cannot be fetched${response ? `: the server says ${response.status}` : ""}`);
  return response;
}

async function body(response: Response, fetching?: (done: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let done = 0;
  for (const reader = response.body!.getReader(); ; ) {
    const { value } = await reader.read();
    if (!value) break;
    parts.push(value);
    done += value.length;
    fetching?.(done);
  }
  const whole = new Uint8Array(done);
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
