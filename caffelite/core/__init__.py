"""What Caffe keeps in src/caffe/: blobs, layers, nets and solvers."""
