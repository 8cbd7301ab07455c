/**
 * One line for a page: shows .rgo files in <img> elements.
 *
 *     <script type="module" src="regio/regio-embed.js"></script>
 *     <img data-rgo="photo.rgo" alt="A lighthouse" width="768" height="512">
 */

import { Decoder, RgoError, toPng } from "./index.js";

const decoder = new Decoder(new URL(".", import.meta.url));

const shown = new WeakMap<HTMLImageElement, string>();

async function show(image: HTMLImageElement, address: string): Promise<void> {
  try {
    const response = await fetch(address).catch(() => null);
    if (!response?.ok) throw new RgoError(`${address} cannot be fetched${response ? `: the server says ${response.status}` : ""}`);
    const picture = await decoder.decode(await response.arrayBuffer());
    const url = URL.createObjectURL(await toPng(picture));
    if (image.dataset["rgo"] !== address) return URL.revokeObjectURL(url); // it shows something else by now
    URL.revokeObjectURL(shown.get(image) ?? "");
    shown.set(image, url); // kept, so that the visitor can save the picture
    image.src = url;
    await image.decode();
    image.dispatchEvent(new CustomEvent("rgoshown", { bubbles: true }));
  } catch (error) {
    const message = (error as Error).message;
    image.title = message;
    console.warn(`${address}: ${message}`);
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
