/** The image of the containers that a job ran in, with the beginning of its id where that is known; empty for a job without. */

import { asText, isObject, type Cell } from "../../lib/cell";
import { short } from "../../lib/format";

export function imageOf(container: Cell | undefined): string {
  if (!isObject(container)) return "";
  const id = short(asText(container.image_id).replace(/^sha256:/, ""));
  return [asText(container.image), id && `id ${id}`].filter(Boolean).join(", ");
}
