import type { ReactNode } from "react";
import { WhenSeen } from "./when-seen";

/** A list of any length, piece by piece: the first at once, each other when one comes near it. `height` is one row's. */
export function InPieces<T>(props: {
  rows: readonly T[];
  size: number;
  height: number;
  children: (piece: readonly T[]) => ReactNode;
}): ReactNode {
  const { rows, size, height, children } = props;
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, index) => {
    const piece = rows.slice(index * size, (index + 1) * size);
    return index === 0 ? (
      <div key={index}>{children(piece)}</div>
    ) : (
      <WhenSeen key={index} height={piece.length * height}>
        {children(piece)}
      </WhenSeen>
    );
  });
}
