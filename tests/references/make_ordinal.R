# Writes ordinal.json: reference fits of proportional odds by MASS::polr and ordinal::clm.
# Run in this folder: Rscript make_ordinal.R
library(MASS)
library(ordinal)

# MASS::housing: rows of the three grades of one group stand together.
fit_housing <- function() {
  fit <- polr(Sat ~ Infl + Type + Cont, weights = Freq, data = housing,
              control = list(reltol = 1e-16, maxit = 10000))
  list(feature_names = names(coef(fit)), coef = unname(coef(fit)), thresholds = unname(fit$zeta),
       deviance = fit$deviance, proba = unname(fitted(fit)[housing$Sat == "Low", ]))
}

# ordinal::wine: single ratings in five grades.
fit_wine <- function() {
  fit <- clm(rating ~ temp + contact, data = wine, control = list(gradTol = 1e-12))
  list(feature_names = names(fit$beta), coef = unname(fit$beta), thresholds = unname(fit$alpha),
       deviance = -2 * as.numeric(logLik(fit)))
}

to_json <- function(value) {
  if (is.list(value)) {
    entries <- sapply(value, to_json)
    return(sprintf("{\n%s\n}", paste0('"', names(value), '": ', entries, collapse = ",\n")))
  }
  if (is.matrix(value)) {
    return(sprintf("[\n  %s\n]", paste(apply(value, 1, to_json), collapse = ",\n  ")))
  }
  entries <- if (is.character(value)) sprintf('"%s"', value) else sprintf("%.15g", value)
  if (length(value) == 1) entries else sprintf("[%s]", paste(entries, collapse = ", "))
}

versions <- c(paste("R", paste(R.version$major, R.version$minor, sep = ".")),
              sapply(c("MASS", "ordinal"), function(p) paste(p, packageVersion(p))))
reference <- list(versions = unname(versions), polr_housing = fit_housing(), clm_wine = fit_wine())
writeLines(to_json(reference), "ordinal.json")
