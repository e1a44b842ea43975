# Writes housing.json: reference fits of R's nnet and glmnet on MASS::housing.
# Run in this folder: Rscript make_housing.R
library(MASS)
library(nnet)
library(glmnet)

groups <- expand.grid(Infl = levels(housing$Infl), Type = levels(housing$Type),
                      Cont = levels(housing$Cont))
counts <- t(matrix(housing$Freq, nrow = 3, dimnames = list(levels(housing$Sat), NULL)))
stopifnot(all(groups == housing[housing$Sat == "Low", c("Infl", "Type", "Cont")]))
design <- model.matrix(~ Infl + Type + Cont, groups)
x <- design[, -1]
total <- sum(counts)

softmax <- function(logits) {
  odds <- exp(logits - apply(logits, 1, max))
  odds / rowSums(odds)
}
mean_cross_entropy <- function(proba) -sum(counts * log(proba)) / total

# Coefficients as K rows of (intercept, features).
fit_multinom <- function(decay) {
  fit <- multinom(counts ~ Infl + Type + Cont, groups, decay = decay, Hess = TRUE, trace = FALSE,
                  reltol = 1e-16, abstol = 0, maxit = 100000)
  coefs <- coef(fit)
  proba <- softmax(cbind(0, design %*% t(coefs)))
  residual <- rowSums(counts) * proba - counts
  gradient <- t(residual[, -1]) %*% design + 2 * decay * coefs
  list(decay = decay, intercept = unname(coefs[, 1]), coef = unname(coefs[, -1]),
       standard_error = unname(summary(fit)$standard.errors),
       deviance = 2 * total * mean_cross_entropy(proba), objective = fit$value,
       aic = 2 * total * mean_cross_entropy(proba) + 2 * length(coefs),
       mean_cross_entropy = mean_cross_entropy(proba), proba = unname(proba),
       largest_gradient = max(abs(gradient)) / total)
}

fit_glmnet <- function(alpha, lambda) {
  path <- lambda * 10^seq(3, 0, -0.25)
  fit <- glmnet(x, counts, family = "multinomial", alpha = alpha, lambda = path,
                standardize = FALSE, thresh = 1e-22, maxit = 1e8)
  coefs <- t(sapply(coef(fit, s = lambda), as.vector))
  proba <- softmax(design %*% t(coefs))
  slopes <- coefs[, -1]
  gradient <- t(rowSums(counts) * proba - counts) %*% design / total
  smooth <- gradient[, -1] + lambda * (1 - alpha) * slopes
  # Distance of 0 from the subdifferential.
  distance <- ifelse(slopes != 0, abs(smooth + lambda * alpha * sign(slopes)),
                     pmax(abs(smooth) - lambda * alpha, 0))
  penalty <- lambda * ((1 - alpha) / 2 * sum(slopes^2) + alpha * sum(abs(slopes)))
  list(alpha = alpha, lambda = lambda, intercept = unname(coefs[, 1]), coef = unname(slopes),
       mean_cross_entropy = mean_cross_entropy(proba),
       objective = mean_cross_entropy(proba) + penalty, proba = unname(proba),
       largest_gradient = max(distance, abs(gradient[, 1])))
}

to_json <- function(value) {
  if (is.list(value)) {
    entries <- sapply(value, to_json)
    if (is.null(names(value))) return(sprintf("[\n%s\n]", paste(entries, collapse = ",\n")))
    return(sprintf("{\n%s\n}", paste0('"', names(value), '": ', entries, collapse = ",\n")))
  }
  if (is.matrix(value)) {
    return(sprintf("[\n  %s\n]", paste(apply(value, 1, to_json), collapse = ",\n  ")))
  }
  entries <- if (is.character(value)) sprintf('"%s"', value) else sprintf("%.15g", value)
  if (length(value) == 1) entries else sprintf("[%s]", paste(entries, collapse = ", "))
}

versions <- paste(R.version$major, R.version$minor, sep = ".")
versions <- c(paste("R", versions),
              sapply(c("MASS", "nnet", "glmnet"), function(p) paste(p, packageVersion(p))))
reference <- list(
  versions = unname(versions),
  feature_names = colnames(x),
  target_names = colnames(counts),
  multinom = fit_multinom(0),
  multinom_decay = fit_multinom(1),
  glmnet = list(fit_glmnet(0, 0.01), fit_glmnet(0, 0.001), fit_glmnet(0.5, 0.01),
                fit_glmnet(1, 0.01)))
writeLines(to_json(reference), "housing.json")
