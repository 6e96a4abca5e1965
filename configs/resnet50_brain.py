"""ResNet-50 on brain-cancer MRI, three classes.

Source: the transfer model of a public brain-MRI project (frozen torchvision ResNet-50, new head 2048-256-3); its data
is the Bangladesh brain cancer MRI set, 6,056 images. There: 584/606 = 96.37 % on one random split (Wilson 94.6-97.6).
That recipe is Adam 1e-3, L2 1e-5, batch 32, learning rate × 0.2 every 4 epochs, at most 50, patience 5; the cosine here
was chosen on validation because it also trains from scratch.
Expected: with --config.weights=none --config.data.image_size=64 on a public 900-image stand-in of the set (visibly
augmented copies, so it says little about patients), three split seeds: test accuracy 407/540 = 0.754 (0.733, 0.767,
0.761), no patients known. With ImageNet weights: not measured yet.
Time: those runs 5 min 30 s each on 2 CPU cores, decoding and compilation included.
Command: python -m medjax.main --config=configs/resnet50_brain.py --config.data.path=FOLDER_OR_ZIP
"""

from ml_collections import ConfigDict


def no_augmentation() -> ConfigDict:
    augment = ConfigDict()
    augment.flip_horizontal = False  # leave it off where laterality matters
    augment.flip_vertical = False
    augment.rotation = 0.0  # degrees, largest
    augment.zoom = 0.0  # largest change of scale
    augment.shift = 0.0  # largest, share of the side
    augment.shear = 0.0  # degrees, largest
    augment.crop = 1.0  # least share of the side that a random window keeps
    augment.brightness = 0.0  # largest, share of the full range
    augment.contrast = 0.0  # largest change
    augment.gamma = 0.0  # largest change of the exponent
    augment.noise = 0.0  # largest standard deviation, share of the full range
    augment.cutout = 0.0  # side of a black square, share of the image's
    augment.mixup = 0.0  # α of the blend of two images and their labels
    augment.cutmix = 0.0  # α of the box pasted from another image, labels blended
    return augment


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "resnet50_brain"
    config.seed = 0  # of initial weights, dropout, augmentation and data order

    config.data = ConfigDict()
    config.data.name = "brain_cancer_mri"  # a dataset of medjax/datasets/
    config.data.path = ""  # folder or .zip; "" looks under data/
    config.data.download = False  # fetch it with kagglehub
    config.data.image_size = 224  # pixels, height and width
    config.data.channels = 3  # 1 or 3; a dataset of stacks says how many slices
    config.data.options = ConfigDict()  # what the dataset's reader is told; see its file in medjax/datasets/
    config.data.fit = "squash"  # of a non-square image: "squash", "crop" or "pad"
    config.data.on_bad_image = "stop"  # or "skip": leave unreadable files out and record them
    config.data.cache = "data/cache"  # folder of the decoded images
    config.data.placement = "auto"  # of them: on each "device", "sharded" over all, on the "host"; auto: what has room
    config.data.input_columns = ()  # of the dataset, that the network is told besides the image

    config.split = ConfigDict()
    config.split.kind = "clean"  # or "official": the publisher's; "official_dedup": that, without its leaks
    config.split.near_copies = True  # look for copies among the images, and keep them in one split
    config.split.file = ""  # an existing splits.json; "" draws one
    config.split.seed = 0
    config.split.val = 0.1  # share of the images; chooses the epoch
    config.split.calib = 0.0  # share of the images; for what is fitted after training
    config.split.test = 0.2  # share of the images
    config.folds = 0  # k: train k times, each image is in the test split of one fold
    config.fold = -1  # of `folds`, from 0, to run alone; -1 runs all

    config.model = ConfigDict()
    config.model.name = "resnet50"
    config.model.head_hidden = (256,)  # units of the head's hidden layers
    config.model.dropout = 0.5  # in the head
    config.model.zero_init_residual = True  # from scratch, each block begins as the identity (Goyal et al. 2017)
    config.weights = "imagenet"  # "imagenet", "IMAGENET1K_V1", "IMAGENET1K_V2", a .pth or .safetensors file, "none"
    config.trainable = "auto"  # "all", "head", "from:layer4", …; auto: "head" with weights, "all" without
    config.feature_views = 1  # with "head": views of each training image whose features are kept; 1 is the plain image
    config.dtype = "float32"  # of the computation; or "bfloat16". Parameters are float32

    config.normalization = "auto"  # "imagenet", "train" (the training split's); auto: that of the weights
    config.augment = no_augmentation()
    config.augment.flip_horizontal = True  # laterality does not matter here
    config.augment.rotation = 15.0
    config.augment.zoom = 0.1
    config.augment.shift = 0.05
    config.augment.brightness = 0.1
    config.augment.contrast = 0.1

    config.batch_size = 32  # images a step, over all devices
    config.accumulate = 1  # parts that a batch is trained in, one after the other, where it does not fit the memory
    config.max_epochs = 20
    config.on_nan = "stop"  # or "skip": leave out an update whose loss or gradient is not finite, and count it
    config.profile_steps = ()  # (first, last): write a trace of these steps for TensorBoard
    # With either of these two, the logits of val and test (so early stopping too) are led back to the natural mixture.
    config.sampling = "shuffle"  # or "balanced": every class is drawn as often as any other
    config.class_weights = "none"  # in the loss; or "balanced": inverse frequency in the training split, mean 1
    config.label_smoothing = 0.0  # share of the target
    config.optimizer = ConfigDict()
    config.optimizer.name = "adam"  # "adam" (L2 in the gradient), "adamw", "sgd"
    config.optimizer.learning_rate = 1e-3  # highest
    config.optimizer.weight_decay = 1e-5
    config.optimizer.momentum = 0.9  # of sgd
    config.optimizer.clip_norm = 0.0  # global norm of the gradient; 0 is off
    config.optimizer.backbone_factor = 1.0  # the backbone's learning rate over the head's
    config.schedule = ConfigDict()
    config.schedule.name = "cosine"  # "constant", "step", "cosine", "plateau"
    config.schedule.warmup_epochs = 2.0
    config.schedule.decay_epochs = 4  # of "step"
    config.schedule.decay_factor = 0.2  # of "step" and "plateau"
    config.schedule.patience_epochs = 3  # of "plateau"

    config.early_stopping = ConfigDict()
    config.early_stopping.metric = "val_loss"  # or "val_accuracy"; it also chooses the best checkpoint
    config.early_stopping.patience_epochs = 10  # 0 is off
    config.early_stopping.min_delta = 0.0  # in the metric's unit
    config.checkpoint = ConfigDict()
    config.checkpoint.every_minutes = 10.0  # within an epoch, besides one at the end of each

    config.evaluation = ConfigDict()
    config.evaluation.primary = "accuracy"  # the metric that leads every table and that medjax.compare tests
    config.evaluation.coverage = 0.9  # of the conformal sets of classes; fitted on the calib split
    config.evaluation.sensitivity = 0.95  # of each class, at which its specificity is given; threshold set on calib
    config.evaluation.specificity = 0.95  # the reverse
    config.evaluation.prevalence = ()  # share of each class where the model is to be used, for PPV and NPV; () is none
    config.evaluation.subgroups = ()  # columns of the dataset by whose values the results are given too
    config.evaluation.views = 1  # of each image, augmented as in training, whose probabilities are averaged; 1: plain

    config.phantom = ConfigDict()  # what changes when the dataset is not on disk and the synthetic phantom is used
    config.phantom.image_size = 64  # pixels
    config.phantom.max_epochs = 10
    return config
