import { type ComponentType, type ReactNode, useEffect, useState } from "react";

/**
 * A component whose code is loaded when the first one is shown; until then, `Waiting` with the same properties.
 * React's own way, a Suspense, lets nothing appear within 0.3 s of what appeared before it, however soon it is there.
 */
export function later<P extends object>(
  load: () => Promise<ComponentType<P>>,
  Waiting: ComponentType<P> = Nothing,
): (props: P) => ReactNode {
  let loaded: ComponentType<P> | null = null;
  let loading: Promise<ComponentType<P>> | null = null;
  return function Later(props: P): ReactNode {
    const [Found, setFound] = useState(() => loaded);
    useEffect(() => {
      if (Found !== null) return;
      loading ??= load();
      loading.then(
        (component) => {
          loaded = component;
          setFound(() => component);
        },
        (error: unknown) => {
          loading = null;
          setFound(() => {
            throw error; // to the page's own words for what went wrong
          });
        },
      );
    }, [Found]);
    return Found === null ? <Waiting {...props} /> : <Found {...props} />;
  };
}

function Nothing(): ReactNode {
  return null;
}
