/**
 * One line for a page: shows .rgo files in <img> elements.
 *
 *     <script type="module" src="regio/regio-embed.js"></script>
 *     <img data-rgo="photo.rgo" alt="A lighthouse" width="768" height="512">
 */

import { Decoder, RgoError, toPng } from "./index.js";

const decoder = new Decoder(new URL(".", import.meta.url));

const shown = new WeakMap<HTMLImageElement, string>();
const faulty = new WeakMap<HTMLImageElement, { attribute: "alt" | "title"; before: string | null }[]>();

/** Says what is wrong where a visitor sees it: in the title, and instead of a missing alt text. */
function complain(image: HTMLImageElement, message: string): void {
  forget(image);
  const attributes = image.hasAttribute("alt") ? (["title"] as const) : (["title", "alt"] as const);
  faulty.set(
    image,
    attributes.map((attribute) => ({ attribute, before: image.getAttribute(attribute) })),
  );
  for (const attribute of attributes) image.setAttribute(attribute, message);
  const ours = shown.get(image);
  if (ours === undefined) return; // what the page itself has as its `src` stays
  URL.revokeObjectURL(ours);
  shown.delete(image);
  image.removeAttribute("src");
}

/** Takes that back. */
function forget(image: HTMLImageElement): void {
  for (const { attribute, before } of faulty.get(image) ?? []) {
    if (before === null) image.removeAttribute(attribute);
    else image.setAttribute(attribute, before);
  }
  faulty.delete(image);
}

async function show(image: HTMLImageElement, address: string): Promise<void> {
  try {
    const response = await fetch(address).catch(() => null);
    if (!response?.ok) throw new RgoError(`${address} cannot be fetched${response ? `: the server says ${response.status}` : ""}`);
    const picture = await decoder.decode(await response.arrayBuffer());
    const url = URL.createObjectURL(await toPng(picture));
    if (image.dataset["rgo"] !== address) return URL.revokeObjectURL(url); // it shows something else by now
    URL.revokeObjectURL(shown.get(image) ?? "");
    shown.set(image, url); // kept, so that the visitor can save the picture
    forget(image);
    image.src = url;
    await image.decode();
    image.dispatchEvent(new CustomEvent("rgoshown", { bubbles: true }));
  } catch (error) {
    const message = (error as Error).message;
    console.warn(`${address}: ${message}`);
    if (image.dataset["rgo"] !== address) return;
    complain(image, message);
    image.dispatchEvent(new CustomEvent("rgoerror", { bubbles: true, detail: message }));
  }
}

const seen = new WeakMap<HTMLImageElement, string>();

function look(root: ParentNode): void {
  for (const image of root.querySelectorAll<HTMLImageElement>("img[data-rgo]")) {
    const address = image.dataset["rgo"]!;
    if (seen.get(image) === address) continue;
    seen.set(image, address);
    void show(image, address);
  }
}

new MutationObserver(() => look(document)).observe(document, {
  subtree: true,
  childList: true,
  attributes: true,
  attributeFilter: ["data-rgo"],
});
look(document);
