import { useComputedColorScheme } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { type Scheme, serviceColor } from "../../lib/color";
import classes from "./view.module.css";

/** The colour scheme in effect. */
export function useScheme(): Scheme {
  return useComputedColorScheme("light", { getInitialValueInEffect: false });
}

/** The square in a service's colour. */
export function ServiceDot({ service }: { service: string }): ReactNode {
  // The style sheet knows the scheme: no dot of a hundred has to be told.
  const background = `light-dark(${serviceColor(service, "light")}, ${serviceColor(service, "dark")})`;
  return <span className={classes["dot"]} style={{ background }} aria-hidden />;
}

/** A service by its colour and name, leading to its page if `link` is set. */
export function ServiceName({ service, link = false }: { service: string; link?: boolean }): ReactNode {
  return (
    <span className={classes["service"]} title={service}>
      <ServiceDot service={service} />
      {link ? (
        <Link className="plain" to="/services/$service" params={{ service }}>
          {service}
        </Link>
      ) : (
        <span>{service}</span>
      )}
    </span>
  );
}
