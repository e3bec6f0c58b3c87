import { startTransition, useEffect, useState } from "react";

/** Whether what a component showed first has been painted: what nobody sees at once can be shown after that. */
export function usePainted(): boolean {
  const [painted, setPainted] = useState(false);
  useEffect(() => {
    const frame = requestAnimationFrame(() => startTransition(() => setPainted(true)));
    return () => cancelAnimationFrame(frame);
  }, []);
  return painted;
}
