/** Messages with roles, as models for chats take and give them. */

import type { ReactNode } from "react";

import { asText, isObject, type Cell } from "../lib/cell";

export function isConversation(cell: Cell): boolean {
  return Array.isArray(cell) && cell.length > 0 && cell.every((each) => isObject(each) && typeof each.role === "string" && "content" in each);
}

export function Conversation({ cell }: { cell: Cell }): ReactNode {
  if (!Array.isArray(cell)) return null;
  return (
    <div className="chat">
      {cell.map((each, place) => {
        const role = isObject(each) ? asText(each.role) : "";
        return (
          <div key={place} className={role === "user" ? "user" : ""}>
            <strong className="muted">{role}</strong>
            <div>{isObject(each) ? asText(each.content) : ""}</div>
          </div>
        );
      })}
    </div>
  );
}
